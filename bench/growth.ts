/**
 * The same calls to services with 1,000, 100,000 and 1,000,000 records: what is flat does not grow with the archive. Each service is a
 * process of its own with an archive of that size; the model API answers nothing, so that accepted images stay queued.
 * `growth 1000 10000` is a trial with other sizes.
 */

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openSqliteRecords } from '../src/adapters/records/sqlite/records.ts';
import { createDerive } from '../src/core/images/derive.ts';
import { BATCH_SIZE } from '../src/core/retention/sweep.ts';
import { startSilentServer } from './model-api/silent.ts';
import { archiveId, COMMON_LABEL, makeArchive, RARE_IMAGES } from './support/archive.ts';
import { type Chart, saveResults } from './support/results.ts';
import { startEasel } from './support/service.ts';
import { elapsed, elapsedEach, median } from './support/timing.ts';

const given = process.argv.slice(3).map(Number);
const SIZES = given.length > 0 ? given : [1_000, 100_000, 1_000_000];
const EXPIRED = 500;
const TURNS = 40;
const ACCEPTS = 200;
const STARTS = 3;
/** How long the service keeps the result of a health check. */
const HEALTH_MS = 1_000;
const DERIVE = createDerive({ webhookUrls: new Map(), randomId: () => randomUUID() });
/** All images belong to the editor, so that the searches by owner meet all of them. */
const KEYS = { API_KEYS: 'ops:operations-secret:admin+read-all+metrics, editor:editors-secret:generate+read' };
const OPS = { authorization: 'Bearer operations-secret' };
const EDITOR = { authorization: 'Bearer editors-secret' };

/** Median times in milliseconds, by what was done. */
type Times = Readonly<Record<string, number>>;

const found: { readonly size: number; readonly times: Times }[] = [];
for (const size of SIZES) {
  const times = await measure(size);
  found.push({ size, times });
  console.log(`\n${size.toLocaleString('en-US')} records`);
  for (const [what, ms] of Object.entries(times)) console.log(`  ${what.padEnd(46)}${ms.toFixed(2).padStart(10)} ms`);
}
const kinds = Object.keys(found[0]?.times ?? {});
await saveResults({
  tables: [
    {
      title: `Median times in milliseconds, by the number of records`,
      columns: ['what', ...SIZES.map((size) => size.toLocaleString('en-US'))],
      rows: kinds.map((kind) => [kind, ...found.map(({ times }) => times[kind] ?? null)]),
    },
  ],
  charts: [
    chart('growth-writing', 'Accepting, expiry and sweeping', /^(accept|sweep|find|cleanup)/),
    chart('growth-lists', 'Lists of 50', /^list/),
    chart('growth-reports', 'One record, reports and health', /^(one|usage|metrics|health)/),
    chart('growth-start', 'Start', /^start/),
  ],
});

function chart(name: string, title: string, which: RegExp): Chart {
  return {
    name,
    title,
    x: { label: 'records', scale: 'log' },
    y: { label: 'milliseconds', scale: 'log' },
    series: kinds
      .filter((kind) => which.test(kind))
      .map((kind) => ({
        name: kind.replace(/^list: /, ''),
        points: found.map(({ size, times }) => [size, times[kind] ?? Number.NaN] as const),
      })),
  };
}

async function measure(size: number): Promise<Times> {
  const folder = await mkdtemp(join(tmpdir(), 'easel-bench-'));
  const silent = await startSilentServer();
  try {
    const path = join(folder, 'easel.db');
    const filled = await elapsed(() =>
      makeArchive({ path, count: size, derive: DERIVE, now: Date.now(), owner: 'editor', expired: EXPIRED }),
    );
    console.log(`made ${size.toLocaleString('en-US')} records in ${(filled / 1000).toFixed(0)} s`);
    const env = {
      ...KEYS,
      OPENAI_API_KEY: 'sk-none',
      OPENAI_BASE_URL: `${silent.url}/v1`,
      CONCURRENCY: '1',
      CLEANUP_INTERVAL_SECONDS: '86400',
      SHUTDOWN_GRACE_SECONDS: '0',
    };
    const expiry = await measureExpiry(path);
    const starts: number[] = [];
    for (let turn = 0; turn < STARTS; turn += 1) {
      const began = performance.now();
      await using _started = await startEasel(folder, env);
      starts.push(performance.now() - began);
    }
    await using easel = await startEasel(folder, env);
    return { ...(await measureCalls(easel.url, size)), ...expiry, 'start to listening': median(starts) };
  } finally {
    silent.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureCalls(url: string, size: number): Promise<Times> {
  const get = (path: string, headers: Record<string, string>) => json(fetch(`${url}${path}`, { headers }));
  const typical = async (path: string, headers: Record<string, string> = OPS) => {
    await get(path, headers);
    return median(await elapsedEach(TURNS, () => get(path, headers)));
  };
  const deep = await cursorAt(archiveId(Math.floor(size / 2)), get);
  const random = () => archiveId(RARE_IMAGES + EXPIRED + Math.floor(Math.random() * (size - RARE_IMAGES - EXPIRED)));
  const rare = 'status=cancelled&limit=50';
  return {
    'one record': median(await elapsedEach(TURNS, () => get(`/images/${random()}`, OPS))),
    'list: first page': await typical('/images?limit=50'),
    'list: a page in the middle': await typical(`/images?limit=50&cursor=${deep}`),
    'list: by a common status': await typical('/images?status=succeeded&limit=50'),
    'list: by a rare status': await typical(`/images?${rare}`),
    'list: by a common label': await typical(`/images?label=${COMMON_LABEL}&limit=50`),
    'list: common label, rare status': await typical(`/images?label=${COMMON_LABEL}&${rare}`),
    "list: a key's own": await typical('/images?limit=50', EDITOR),
    "list: a key's own, rare status": await typical(`/images?${rare}`, EDITOR),
    "list: a key's own, label, rare status": await typical(`/images?label=${COMMON_LABEL}&${rare}`, EDITOR),
    usage: await typical('/usage'),
    metrics: await typical('/metrics'),
    health: median(await healthTimes(() => get('/health', {}))),
    accept: median(await elapsedEach(ACCEPTS, () => accept(url))),
    ...(await measureCleanup(url)),
  };
}

/** A few times of a health check that is really made: each is taken when the result of the one before is too old to be given again. */
async function healthTimes(check: () => Promise<unknown>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let turn = 0; turn < 3; turn += 1) {
    await delay(HEALTH_MS + 10);
    times.push(await elapsed(check));
  }
  return times;
}

/** A cleanup also looks for missing files, record by record, which takes as long as there are records; the sweep itself does not. */
async function measureCleanup(url: string): Promise<Times> {
  const dry = await cleanUp(url, true);
  const real = await cleanUp(url, false);
  return { 'cleanup, all records searched for files': dry, 'sweep one picture': (real - dry) / EXPIRED };
}

/** Finding a batch of expired images, by the records alone. */
async function measureExpiry(path: string): Promise<Times> {
  const records = openSqliteRecords({ path, derive: DERIVE });
  const query = { now: Date.now(), requestedBefore: null, status: null, limit: BATCH_SIZE, after: null };
  const times = await elapsedEach(TURNS, () => records.expired(query));
  await records.close();
  return { [`find ${BATCH_SIZE} expired`]: median(times) };
}

/** The cursor of the page after this image: the place that a reader reaches who turns pages. */
async function cursorAt(mediaId: string, get: (path: string, headers: Record<string, string>) => Promise<unknown>) {
  const { createdAt } = (await get(`/images/${mediaId}`, OPS)) as { readonly createdAt: string };
  return Buffer.from(JSON.stringify([Date.parse(createdAt), mediaId])).toString('base64url');
}

async function accept(url: string): Promise<void> {
  const headers = { ...EDITOR, 'content-type': 'application/json', prefer: 'respond-async' };
  const body = JSON.stringify({ prompt: 'a lighthouse at dusk', labels: [COMMON_LABEL] });
  await json(fetch(`${url}/images`, { method: 'POST', headers, body }));
}

/** How long a cleanup took, by its own report. */
async function cleanUp(url: string, dryRun: boolean): Promise<number> {
  const headers = { ...OPS, 'content-type': 'application/json' };
  const report = await json(fetch(`${url}/cleanup`, { method: 'POST', headers, body: JSON.stringify({ dryRun }) }));
  const { deleted, durationMs } = report as { readonly deleted: number; readonly durationMs: number };
  if (deleted !== EXPIRED) throw new Error(`the cleanup found ${deleted} images instead of ${EXPIRED}`);
  return durationMs;
}

async function json(answer: Promise<Response>): Promise<unknown> {
  const response = await answer;
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${text}`);
  return text.startsWith('{') ? JSON.parse(text) : text;
}
