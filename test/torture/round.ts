/**
 * One round of torture: a service under load that is killed again and again, at random moments and at named steps, or told to
 * end; each time it is started anew in the same folder, and its clients send again what they had no answer to. When all of
 * it has ended, everything that was promised is checked.
 */

import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Image, type ImageRecord, isFinished } from '../../src/images/image.ts';
import { picture } from '../support/openai-answers.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai-server.ts';
import type { RunningService } from '../support/process.ts';
import { randomOf } from '../support/random.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { attemptsInFlight, auditServing, filesOnDisk, filesOnRecord, readDatabase, sha256 } from './audit.ts';
import { type Death, getRecord, post, startLife } from './life.ts';
import { STEPS, STEPS_OF_DELETION, type Step } from './steps.ts';

export interface RoundOptions {
  readonly seed: string;
  /** How often the process is ended before it may finish its work. */
  readonly deaths: number;
  /** New requests in each life. */
  readonly requests: number;
}

export interface RoundReport {
  readonly requests: number;
  readonly accepted: number;
  readonly calls: number;
  /** How each life ended: a step, `at random` or `SIGTERM`. */
  readonly deaths: readonly string[];
  /** Calls that were out when the process was killed. */
  readonly inFlight: number;
  readonly deleted: number;
  readonly failed: number;
  /** Pictures read while the service was under load. */
  readonly reads: number;
  readonly files: number;
  readonly violations: readonly string[];
}

const CONCURRENCY = 4;
const AMBIGUOUS_RETRIES = 2;
const CLIENTS = 6;
/** A life that does not reach its step is ended at this age. */
const LONGEST_LIFE_MS = 4_000;
const LONGEST_END_MS = 60_000;

/** What one client wants, and what it knows of it. Its prompt is its own, so that calls can be told apart. */
interface Wish {
  readonly body: { readonly mediaId?: string; readonly prompt: string; readonly ttlSeconds?: number };
  readonly headers: Readonly<Record<string, string>>;
  mediaId: string | null;
  /** Whether an answer said that it was accepted. */
  accepted: boolean;
  /** The life in which it was first sent, and whether a connection broke before an answer came. */
  readonly life: number;
  broken: boolean;
  /** `begun` once a DELETE was sent, `done` when it was answered. */
  deletion: 'begun' | 'done' | null;
}

interface Round {
  readonly random: () => number;
  readonly upstream: OpenAiServer;
  readonly folder: string;
  readonly wishes: Wish[];
  /** Ids of the attempts that were in flight at a kill, by prompt. */
  readonly lost: Map<string, Set<string>>;
  readonly violations: string[];
  reads: number;
}

export async function playRound({ seed, deaths, requests }: RoundOptions): Promise<RoundReport> {
  await using folder = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  const random = randomOf(seed);
  upstream.always(() => picture({ beforeHeaders: Math.floor(random() ** 2 * 300) }));
  const round: Round = { random, upstream, folder: folder.path, wishes: [], lost: new Map(), violations: [], reads: 0 };
  const ways: string[] = [];
  for (let life = 0; life < deaths; life++) ways.push(await liveAndDie(round, life, requests));
  await finishAll(round);
  return {
    requests: round.wishes.length,
    accepted: round.wishes.filter(({ accepted }) => accepted).length,
    calls: upstream.calls.length,
    deaths: ways,
    inFlight: [...round.lost.values()].reduce((sum, ids) => sum + ids.size, 0),
    deleted: round.wishes.filter(({ deletion }) => deletion === 'done').length,
    ...(await auditRound(round)),
    reads: round.reads,
    violations: round.violations,
  };
}

// ------------------------------------------------------------- the lives

const SELF_DYING = (Object.keys(STEPS) as Step[]).filter((step) => step !== 'afterSend');

async function liveAndDie(round: Round, life: number, requests: number): Promise<string> {
  const { random, upstream } = round;
  for (let number = 0; number < requests; number++) round.wishes.push(makeWish(random, life, number));
  const way = random();
  const death = way < 0.5 ? chooseDeath(random) : null;
  const service = await start(round, death);
  const over = new AbortController();
  const load = Promise.all([...clients(round, service, over.signal), reader(round, service, over.signal)]);

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
  lookAtTheDead(round);
  if (name === 'SIGTERM') {
    if (end !== 0)
      round.violations.push(`life ${life}: SIGTERM ended it with ${end}\n${service.stdout().slice(-2000)}`);
    const lost = [...lostIds(round)].filter((id) => !before.has(id));
    if (lost.length > 0) round.violations.push(`life ${life}: SIGTERM cut off ${lost.length} running calls`);
  }
  return name;
}

function chooseDeath(random: () => number): Death {
  const step = SELF_DYING[Math.floor(random() * SELF_DYING.length)] ?? 'afterAccept';
  return { step, on: 1 + Math.floor(random() * (STEPS_OF_DELETION.has(step) ? 2 : 8)) };
}

async function start(
  { folder, upstream }: Round,
  death: Death | null,
  more: Readonly<Record<string, string>> = {},
): Promise<RunningService> {
  const env = {
    CONCURRENCY: String(CONCURRENCY),
    AMBIGUOUS_RETRIES: String(AMBIGUOUS_RETRIES),
    RETRY_MAX_ATTEMPTS: '20',
    CLEANUP_INTERVAL_SECONDS: '1',
    ...more,
  };
  return await startLife({ folder, upstream, death, env });
}

/** What the kill left behind: a sound database, and which calls nobody will ever know the end of. */
function lookAtTheDead({ folder, lost, violations }: Round): readonly Image[] {
  const { images, faults } = readDatabase(folder);
  violations.push(...faults);
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

/** Starts it once more, has every client send again what it had no answer to, and waits until nothing is unfinished. */
async function finishAll(round: Round): Promise<void> {
  const service = await start(round, null);
  const never = new AbortController();
  await Promise.all(clients(round, service, never.signal));
  const deadline = Date.now() + LONGEST_END_MS;
  for (const wish of round.wishes) {
    while (wish.mediaId !== null && Date.now() < deadline) {
      const record = await getRecord(service.url, wish.mediaId);
      if (record === null || isFinished(record.status)) break;
      await delay(20);
    }
  }
  for (const wish of round.wishes) if (wish.deletion === 'begun' && !wish.body.ttlSeconds) await remove(wish, service);
  service.child.kill('SIGTERM');
  const end = await service.exited;
  if (end !== 0) round.violations.push(`the last SIGTERM ended it with ${end}`);
}

// -------------------------------------------------------------- the load

function makeWish(random: () => number, life: number, number: number): Wish {
  const kind = random();
  const name = `${life}-${number}`;
  const prompt = `a lighthouse, number ${name}`;
  const wish = { life, broken: false, accepted: false, deletion: null };
  const later: Readonly<Record<string, string>> = random() < 0.5 ? { prefer: 'respond-async' } : {};
  if (kind < 0.3) return { ...wish, body: { prompt }, headers: { ...later, 'idempotency-key': name }, mediaId: null };
  const mediaId = `picture-${name}`;
  return { ...wish, body: { mediaId, prompt, ...(kind > 0.9 && { ttlSeconds: 1 }) }, headers: later, mediaId };
}

/** Clients that send every wish without an answer, some of them twice at once, and delete a picture now and then. */
function clients(round: Round, service: RunningService, over: AbortSignal): Promise<void>[] {
  const { random, wishes } = round;
  // What expires is sent once: after it has gone, the same request would rightly be made, and paid, anew.
  const queue = wishes.filter((wish) => !wish.accepted && !(wish.body.ttlSeconds && wish.deletion));
  return Array.from({ length: CLIENTS }, async () => {
    for (let wish = queue.shift(); wish && !over.aborted; wish = queue.shift()) {
      await delay(random() * 60);
      if (wish.body.ttlSeconds) wish.deletion = 'begun';
      const times = random() < 0.2 ? 2 : 1;
      await Promise.all(Array.from({ length: times }, () => send(round, service, wish)));
      if (random() < 0.15) await deleteOne(round, service);
    }
  });
}

async function send(round: Round, service: RunningService, wish: Wish): Promise<void> {
  const reply = await post(service.url, wish.body, wish.headers).catch(() => null);
  if (reply === null) {
    wish.broken = true;
    return;
  }
  const { status, body } = reply;
  if (status === 200 || status === 201 || status === 202) {
    wish.accepted = true;
    if (wish.mediaId !== null && wish.mediaId !== body.mediaId)
      round.violations.push(`${wish.body.prompt} is ${wish.mediaId} and ${body.mediaId}`);
    wish.mediaId = body.mediaId;
  } else if (status === 502 && body.code === 'provider_failed') {
    wish.accepted = true;
    wish.mediaId ??= body.mediaId;
  } else if (status !== 503) {
    round.violations.push(`${wish.body.prompt}: ${status} ${JSON.stringify(body)}`);
  }
}

async function deleteOne({ random, wishes }: Round, service: RunningService): Promise<void> {
  const known = wishes.filter(({ accepted, deletion, mediaId }) => accepted && deletion === null && mediaId !== null);
  const wish = known[Math.floor(random() * known.length)];
  if (wish) await remove(wish, service);
}

async function remove(wish: Wish, { url }: RunningService): Promise<void> {
  wish.deletion = 'begun';
  const response = await fetch(`${url}/images/${wish.mediaId}`, { method: 'DELETE' }).catch(() => null);
  // A deletion that was cut short may be complete at the next start: then there is nothing left to delete.
  if (response?.status === 204 || response?.status === 404) wish.deletion = 'done';
}

/** Reads pictures at random until the life is over: each has to be the one of its record, or not there. */
async function reader(round: Round, { url }: RunningService, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const page = await fetch(`${url}/images?status=succeeded&limit=20`, { signal: over })
      .then((response) => response.json() as Promise<{ items: ImageRecord[] }>)
      .catch(() => ({ items: [] }));
    await delay(10);
    for (const record of page.items) {
      for (const file of [record, ...record.renditions]) {
        const response = await fetch(url + file.url).catch(() => null);
        const bytes = await response?.arrayBuffer().catch(() => null);
        if (!response || !bytes) return;
        round.reads += 1;
        const right = response.status === 200 && sha256(new Uint8Array(bytes)) === file.sha256;
        if (!right && response.status !== 404)
          round.violations.push(`${file.url}: ${response.status}, ${bytes.byteLength} bytes`);
      }
    }
  }
}

// ----------------------------------------------------------- the account

async function auditRound(round: Round): Promise<{ readonly files: number; readonly failed: number }> {
  const { folder, violations } = round;
  const { images, faults } = readDatabase(folder);
  violations.push(...faults);
  for (const wish of round.wishes) violations.push(...auditWish(round, wish, images));
  const disk = filesOnDisk(folder);
  const record = filesOnRecord(images);
  if (disk.join() !== record.join()) {
    const odd = [...disk.filter((name) => !record.includes(name)), ...record.filter((name) => !disk.includes(name))];
    violations.push(`disk and records differ in ${odd.join(', ')}`);
  }
  // Nothing may go by itself while it is compared.
  const service = await start(round, null, { CLEANUP_INTERVAL_SECONDS: '3600' });
  violations.push(...(await auditServing(service.url, folder, images)));
  service.child.kill('SIGKILL');
  await once(service.child, 'exit');
  await rm(folder, { recursive: true, force: true });
  return { files: record.length, failed: images.filter(({ status }) => status === 'failed').length };
}

/** What is wrong with the end of one request: it is there once, as it has to be, and was paid for as often as it says. */
function auditWish({ upstream, lost }: Round, wish: Wish, all: readonly Image[]): readonly string[] {
  const { prompt } = wish.body;
  const faults: string[] = [];
  const images = findImages(all, wish);
  const killed = lost.get(prompt) ?? new Set();
  const calls = upstream.calls.filter(({ body }) => body.prompt === prompt).length;
  const fault = (what: string) => faults.push(`${prompt} (${calls} calls, ${killed.size} killed): ${what}`);

  if (calls > killed.size + 1) fault('paid more than once and once for each kill in flight');
  if (images.length > 1) fault(`is there ${images.length} times`);
  const [image] = images;
  if (!image) {
    if (wish.accepted && wish.deletion === null) fault('was accepted and is lost');
    return faults;
  }
  if (wish.deletion === 'done') fault('was deleted and is there');
  const unknown = image.attempts.filter(({ outcome }) => outcome === 'unknown').map(({ id }) => id);
  if (unknown.join() !== [...killed].join()) fault(`attempts ${unknown} are unknown, ${[...killed]} were killed`);
  if (calls < image.attempts.length - killed.size || calls > image.attempts.length)
    fault(`has ${image.attempts.length} attempts on record`);
  const sound =
    image.status === 'succeeded'
      ? image.attempts.filter(({ outcome }) => outcome === 'ok').length === 1
      : image.status === 'failed' && killed.size > AMBIGUOUS_RETRIES;
  if (!sound) fault(`ended as ${image.status}: ${image.error?.detail}`);
  return faults;
}

function findImages(images: readonly Image[], { body }: Wish): readonly Image[] {
  return images.filter(({ request }) => request.prompt === body.prompt);
}
