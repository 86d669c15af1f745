/**
 * One round of torture: a service under load is killed again and again, at random moments, at named steps or by SIGTERM. Each time it
 * is restarted in the same folder, and its clients repeat the requests that were not answered. At the end every promise is checked.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Image, isFinished } from '../../src/core/domain/image.ts';
import type { RunningService } from '../support/app/process.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { randomOf } from '../support/random.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { anyAnswer } from './answers.ts';
import { attemptsInFlight, auditServing, filesOnDisk, filesOnRecord, missingInputs, readDatabase } from './audit.ts';
import { AMBIGUOUS_RETRIES, auditBooks, auditCall, auditRequest, findImages, PRICE_USD } from './audit-requests.ts';
import { callAll, makeDialectCall } from './calls.ts';
import type { Round, Target } from './clients.ts';
import { ageInputs, keepAging } from './edit-pictures.ts';
import { type Death, getRecord, startLife } from './life.ts';
import { makeClientRequest, readAll, remove, sendAll } from './load.ts';
import { STEPS, STEPS_OF_DELETION, type Step, THREAD_KILLED } from './steps.ts';

export interface RoundOptions {
  readonly seed: string;
  /** How often the process is killed or stopped before it may finish its work. */
  readonly deaths: number;
  /** New requests of `POST /images` in each life, which is one run of the process; and a fourth as many calls of the OpenAI dialect. */
  readonly requests: number;
  /** Ends every life by SIGTERM and none by SIGKILL; false by default. */
  readonly gently?: boolean;
  /** Kills worker threads all the time, and the process at no named step; false by default. */
  readonly killsThreads?: boolean;
}

export interface RoundReport {
  readonly requests: number;
  readonly accepted: number;
  /** Calls of the OpenAI dialect, and how often their clients sent them. */
  readonly dialectCalls: number;
  readonly dialectSends: number;
  readonly calls: number;
  /** How each life ended: a step, `at random` or `SIGTERM`. */
  readonly deaths: readonly string[];
  /** Provider calls that were under way when the process was killed. */
  readonly inFlight: number;
  /** Worker threads that were killed. */
  readonly killedThreads: number;
  readonly deleted: number;
  readonly failed: number;
  /** Pictures read while the service was under load. */
  readonly reads: number;
  readonly files: number;
  readonly violations: readonly string[];
}

const CONCURRENCY = 4;
/** Far more than a round takes. */
const BUDGET_USD = 50;
/** A life that does not reach its step is killed at this age. */
const LONGEST_LIFE_MS = 4_000;
const LONGEST_END_MS = 180_000;
/** A life that no other has after it. */
const LAST_LIFE = Number.POSITIVE_INFINITY;
/** The age at which a thread is killed, on average. Far younger ones would bring no picture on a slow machine. */
const THREAD_AGE_MS = 3_000;

const MODELS = {
  small: {
    edits: { images: 16, imageBytes: 1_000_000, maskBytes: 1_000_000 },
    pricing: { kind: 'picture', usd: PRICE_USD, date: '2026-11-27', source: 'of this test' },
  },
};

/** Settings with which the model edits pictures, and each is billed; in this folder is the catalog. */
export function withEdits(folder: string): Readonly<Record<string, string>> {
  const file = join(folder, 'models.json');
  writeFileSync(file, JSON.stringify(MODELS));
  return { MODEL_CATALOG: file };
}

export async function playRound({
  seed,
  deaths,
  requests,
  gently = false,
  killsThreads = false,
}: RoundOptions): Promise<RoundReport> {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  const random = randomOf(seed);
  upstream.always(() => anyAnswer(random));
  const models = withEdits(folder.path);
  const round: Round = {
    random,
    upstream,
    folder: folder.path,
    models,
    clientRequests: [],
    dialectCalls: [],
    lost: new Map(),
    violations: [],
    reads: 0,
    gently,
    killsThreads,
    knowsLosses: !killsThreads,
    killedThreads: 0,
  };
  const ways: string[] = [];
  for (let life = 0; life < deaths; life++) ways.push(await liveAndDie(round, life, requests));
  const end = await finishAll(round);
  return {
    requests: round.clientRequests.length,
    accepted: round.clientRequests.filter(({ accepted }) => accepted).length,
    dialectCalls: round.dialectCalls.length,
    dialectSends: round.dialectCalls.flatMap(({ clients }) => clients).reduce((sum, { sends }) => sum + sends, 0),
    calls: upstream.calls.length,
    deaths: ways,
    inFlight: [...round.lost.values()].reduce((sum, ids) => sum + ids.size, 0),
    killedThreads: round.killedThreads,
    deleted: round.clientRequests.filter(({ deletion }) => deletion === 'done').length,
    ...end,
    reads: round.reads,
    violations: round.violations,
  };
}

// ------------------------------------------------------------- the lives

const SELF_INFLICTED = (Object.keys(STEPS) as Step[]).filter((step) => step !== 'afterSend');

async function liveAndDie(round: Round, life: number, requests: number): Promise<string> {
  const { random, upstream } = round;
  const earlier = [...round.clientRequests];
  for (let number = 0; number < requests; number++)
    round.clientRequests.push(makeClientRequest(random, life, number, earlier));
  for (let number = 0; number < requests / 4; number++) round.dialectCalls.push(makeDialectCall(random, life, number));
  const way = round.gently ? 1 : random();
  const death = way < 0.5 && !round.killsThreads ? chooseDeath(random) : null;
  await using service = await start(round, death);
  const over = new AbortController();
  const target = targetOf(service);
  const load = Promise.all([
    ...sendAll(round, target, over.signal),
    ...callAll(round, target, life, over.signal),
    readAll(round, target, over.signal),
    keepAging(round.folder, over.signal),
  ]);

  let name = death?.step ?? 'at random';
  if (death) {
    await Promise.race([service.exited, delay(LONGEST_LIFE_MS)]);
    if (service.child.signalCode === null) name = 'at random';
  } else if (way < 0.65) {
    name = 'afterSend';
    const target = upstream.calls.length + 1 + Math.floor(random() * 8);
    await Promise.race([upstream.received(target), delay(LONGEST_LIFE_MS)]);
  } else {
    await delay(random() * 1_500);
    if (way >= 0.85) name = 'SIGTERM';
  }
  const before = new Set(lostIds(round));
  service.child.kill(name === 'SIGTERM' ? 'SIGTERM' : 'SIGKILL');
  const end = await service.exited;
  over.abort();
  await load;
  round.killedThreads += threadsKilled(service);
  const images = inspectRemains(round);
  const lost = lostIds(round).filter((id) => !before.has(id));
  const report = (what: string) => round.violations.push(`life ${life}, ${name}: ${what}`);
  if (lost.length > CONCURRENCY) report(`${lost.length} calls were out`);
  // By nothing else, such as a fault of native code whose thread is gone.
  if (end !== (name === 'SIGTERM' ? 0 : 'SIGKILL'))
    report(`ended with ${end}\n${(service.stdout() + service.stderr()).slice(-4000)}`);
  if (name === 'SIGTERM') {
    if (lost.length > 0) report(`cut off ${lost.length} running calls`);
    for (const request of round.clientRequests) {
      const isNew = request.life === life && !request.accepted;
      if (isNew && request.broken && findImages(images, request.body.prompt).length > 0)
        report(`${request.body.prompt} was accepted, and got no answer`);
    }
    for (const { prompt, clients } of round.dialectCalls) {
      const isCutOff = clients.some((client) => client.life === life && client.isBroken);
      if (isCutOff && clients.length === 1 && findImages(images, prompt).length > 0)
        report(`${prompt} was accepted, and got no answer`);
    }
  }
  return name;
}

function chooseDeath(random: () => number): Death {
  const step = SELF_INFLICTED[Math.floor(random() * SELF_INFLICTED.length)] ?? 'afterAccept';
  return { step, on: 1 + Math.floor(random() * (STEPS_OF_DELETION.has(step) ? 2 : 8)) };
}

async function start(
  { folder, models, upstream, killsThreads, random }: Round,
  death: Death | null,
  more: Readonly<Record<string, string>> = {},
): Promise<RunningService> {
  const env = {
    ...(killsThreads && { KILL_THREADS_MS: String(THREAD_AGE_MS), KILL_THREADS_SEED: String(random()) }),
    CONCURRENCY: String(CONCURRENCY),
    AMBIGUOUS_RETRIES: String(AMBIGUOUS_RETRIES),
    BUDGET_USD_PER_DAY: String(BUDGET_USD),
    ...models,
    OPENAI_WAIT_SECONDS: '1',
    RETRY_MAX_ATTEMPTS: '20',
    RETRY_BUDGET_PER_MINUTE: '100000',
    CLEANUP_INTERVAL_SECONDS: '1',
    ...more,
  };
  const preload = killsThreads ? { preload: new URL('kill-threads.ts', import.meta.url) } : {};
  return await startLife({ folder, upstream, death, env, ...preload });
}

/** Checks the database that the kill left behind, and adds the calls whose outcome stays unknown to `lost`. */
function inspectRemains({ folder, lost, violations }: Round): readonly Image[] {
  const { images, findings } = readDatabase(folder);
  violations.push(...findings, ...missingInputs(folder, images).map((name) => `${name} is on record and missing`));
  const hanging = attemptsInFlight(folder, images);
  for (const { image, attempt } of hanging) {
    const prompt = image.request.prompt ?? '';
    lost.set(prompt, (lost.get(prompt) ?? new Set()).add(attempt.id));
  }
  return images;
}

function lostIds({ lost }: Round): readonly string[] {
  return [...lost.values()].flatMap((ids) => [...ids]);
}

/** Starts the service once more, repeats every unanswered request and call, waits until no image is unfinished, and checks everything. */
async function finishAll(round: Round): Promise<Pick<RoundReport, 'files' | 'failed'>> {
  const { folder, violations, clientRequests } = round;
  // No scheduled cleanup may remove an image while disk and records are compared.
  await using service = await start(round, null, { CLEANUP_INTERVAL_SECONDS: '3600' });
  const target = targetOf(service);
  const deadline = Date.now() + LONGEST_END_MS;
  await Promise.all([
    ...sendAll(round, target, new AbortController().signal),
    ...callAll(round, target, LAST_LIFE, AbortSignal.timeout(LONGEST_END_MS)),
  ]);
  for (const request of clientRequests) {
    while (request.mediaId !== null && Date.now() < deadline) {
      const record = await getRecord(service.url, request.mediaId);
      if (record === null || isFinished(record.status)) break;
      await delay(20);
    }
  }
  for (const request of clientRequests)
    if (request.deletion === 'begun' && !request.body.ttlSeconds) await remove(request, target);
  await waitForAll(folder, deadline);
  violations.push(...(await auditServing(service.url, folder, readDatabase(folder).images)));
  violations.push(...(await auditBooks(round, service, BUDGET_USD)));
  ageInputs(folder);
  await fetch(`${service.url}/cleanup`, { method: 'POST' });
  service.child.kill('SIGTERM');
  const end = await service.exited;
  if (end !== 0) violations.push(`the last SIGTERM ended it with ${end}`);
  round.killedThreads += threadsKilled(service);

  const { images, findings } = readDatabase(folder);
  violations.push(...findings);
  for (const request of clientRequests) violations.push(...auditRequest(round, request, images));
  for (const call of round.dialectCalls) violations.push(...auditCall(round, call, images));
  const disk = filesOnDisk(folder);
  const record = filesOnRecord(images);
  const odd = [...new Set(disk).symmetricDifference(new Set(record))];
  if (odd.length > 0) violations.push(`disk and records differ in ${odd.join(', ')}`);
  return { files: record.length, failed: images.filter(({ status }) => status === 'failed').length };
}

async function waitForAll(folder: string, deadline: number): Promise<void> {
  while (Date.now() < deadline && readDatabase(folder).images.some(({ status }) => !isFinished(status)))
    await delay(50);
}

function targetOf({ url, child }: RunningService): Target {
  return {
    url,
    get isAlive() {
      return child.exitCode === null && child.signalCode === null;
    },
  };
}

function threadsKilled(service: RunningService): number {
  return service.stderr().split(THREAD_KILLED).length - 1;
}
