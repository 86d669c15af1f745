/**
 * Durable accepts a second: `POST /images` with `Prefer: respond-async` from 1, 8 and 64 clients at once, each of which sends its next
 * request when the last is answered. The model API answers nothing, so that one picture waits for it and all others are queued: what is
 * measured is the accept alone. Beside it, in turns: bare SQLite that inserts rows of the same size, with a commit for each, and with one
 * commit for as many as Easel has in flight. `accept 1` measures for so many seconds.
 */

import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { startSilentServer } from './model-api/silent.ts';
import { type Inserts, insertRows } from './support/bare-sqlite.ts';
import { type Figure, saveResults } from './support/results.ts';
import { startEasel } from './support/service.ts';
import { median, quantile } from './support/timing.ts';

const ROUND_MS = 1000 * Number(process.argv[3] ?? 3);
const ROUNDS = 3;
const CLIENTS = [1, 8, 64];
const AIM = 0.5;

/** Rounds of one way to write. */
interface Rounds {
  readonly perSecond: number;
  readonly p99Ms: number;
}

await using folder = await temporaryFolder();
const silent = await startSilentServer();
let prompts = 0;
const rows: (readonly (string | number)[])[] = [];
const figures: Figure[] = [];
try {
  await using easel = await startEasel(folder.path, {
    OPENAI_API_KEY: 'sk-none',
    OPENAI_BASE_URL: `${silent.url}/v1`,
    CONCURRENCY: '1',
    QUEUE_LIMIT: '1000000',
    // Room is held back for each picture that waits: of this size, tens of thousands fit on a disk.
    IMAGE_MODEL: 'small',
    IMAGE_SIZE: '128x128',
    IMAGE_RENDITIONS: '64x64.png',
    SHUTDOWN_GRACE_SECONDS: '0',
  });
  await acceptFor(easel.url, 4, 500);
  const bytes = averageDocument(join(folder.path, 'easel.db'));
  for (const clients of CLIENTS) {
    const found = { single: [] as Inserts[], grouped: [] as Inserts[], easel: [] as Inserts[] };
    for (let round = 0; round < ROUNDS; round += 1) {
      const bare = (group: number) =>
        insertRows(join(folder.path, `bare-${clients}-${round}-${group}.db`), bytes, group, ROUND_MS);
      found.single.push(bare(1));
      if (clients > 1) found.grouped.push(bare(clients));
      found.easel.push(await acceptFor(easel.url, clients, ROUND_MS));
    }
    const single = summary(found.single);
    const grouped = clients > 1 ? summary(found.grouped) : single;
    const accepted = summary(found.easel);
    const shares = [accepted.perSecond / single.perSecond, accepted.perSecond / grouped.perSecond] as const;
    console.log(
      `${clients} at once: Easel ${text(accepted)}; bare SQLite, a commit each ${text(single)}; ` +
        `a commit for ${clients} ${text(grouped)}; ` +
        `shares ${shares[0].toFixed(2)} and ${shares[1].toFixed(2)}`,
    );
    rows.push([
      clients,
      accepted.perSecond,
      accepted.p99Ms,
      single.perSecond,
      single.p99Ms,
      grouped.perSecond,
      grouped.p99Ms,
      ...shares,
    ]);
    figures.push({
      what: `accepts beside bare inserts with a commit each, ${clients} at once`,
      value: shares[0],
      unit: '',
      aim: { atLeast: AIM },
    });
  }
  await saveResults({
    figures,
    tables: [
      {
        title: `Accepts a second and the 99% of their times, records of ${Math.round(bytes)} bytes, the median of ${ROUNDS} rounds`,
        columns: [
          'at once',
          'Easel, per second',
          '99%, ms',
          'bare SQLite, a commit each',
          '99%, ms',
          'bare SQLite, a commit for all at once',
          '99%, ms',
          'share of a commit each',
          'share of a commit for all',
        ],
        rows,
      },
    ],
  });
} finally {
  // Before the service stops, which would wait for the call.
  silent.close();
}

function summary(rounds: readonly Inserts[]): Rounds {
  return {
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    p99Ms: median(rounds.map(({ waitsMs }) => quantile(waitsMs, 0.99))),
  };
}

function text({ perSecond, p99Ms }: Rounds): string {
  return `${perSecond.toFixed(0)}/s (99% in ${p99Ms.toFixed(1)} ms)`;
}

/** Has so many clients send requests, one after the other, for so many milliseconds. */
async function acceptFor(url: string, clients: number, ms: number): Promise<Inserts> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const waitsMs: number[] = [];
  const began = performance.now();
  const client = async () => {
    while (performance.now() < began + ms) {
      const from = performance.now();
      await accept(url, agent);
      waitsMs.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - began) / 1000;
  agent.destroy();
  return { perSecond: waitsMs.length / seconds, waitsMs };
}

/** Resolves when the request is answered with 202. By node:http alone: `fetch` would take as much of the processor as the service. */
function accept(url: string, agent: Agent): Promise<void> {
  prompts += 1;
  const body = JSON.stringify({ prompt: `a lighthouse at dusk, ${prompts}` });
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    prefer: 'respond-async',
  };
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/images`, { method: 'POST', headers, agent }, (response) => {
      response.resume();
      response.once('end', () =>
        response.statusCode === 202 ? resolve() : reject(new Error(`answered with ${response.statusCode}`)),
      );
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** The average size of a record that was accepted, in bytes. */
function averageDocument(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true });
  const row = database.prepare('SELECT avg(octet_length(document)) AS bytes FROM images').get();
  database.close();
  return Math.round(Number(row?.bytes));
}
