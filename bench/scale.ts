/**
 * Accepted and finished pictures a second with one, two and three replicas over PostgreSQL and an S3 server, beside one process over
 * SQLite and its own disk: all of them on this machine, in turns. PostgreSQL flushes every commit to the disk, the model API answers at
 * once, and pictures are small, so that what is measured is records, queue and store. `scale 1` measures for so many seconds.
 */

import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { answer, picture } from '../test/support/openai/answers.ts';
import { startOpenAiServer } from '../test/support/openai/server.ts';
import { texturedPicture } from '../test/support/pictures.ts';
import { startPostgres } from '../test/support/postgres/server.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { type Load, sendFor } from './support/clients.ts';
import { saveResults } from './support/results.ts';
import { type BenchProcess, startEasel, startServer } from './support/service.ts';
import { median } from './support/timing.ts';

const ROUND_MS = 1000 * Number(process.argv[3] ?? 4);
const ROUNDS = 3;
/** A busy machine gets fewer rounds: none begins that might not end before the limit of every bench. Milliseconds. */
const TIME_MS = 780_000;
/** Clients that wait for their pictures, and clients that only have theirs accepted. */
const WAITING = 24;
const ACCEPTING = 16;
const ALONE = 10;
/** More replicas on the same cores give no more than these have; what differs by less is the noise of a run. */
const NOT_SLOWER = 0.9;

const SETTINGS = {
  QUEUE_LIMIT: '1000000',
  IMAGE_MODEL: 'small',
  IMAGE_SIZE: '128x128',
  IMAGE_RENDITIONS: '64x64.png',
  // The calls of the last part of a measurement get no answer.
  SHUTDOWN_GRACE_SECONDS: '0',
};

interface Installation {
  readonly name: string;
  /** Processes; 0 stands for the one over SQLite. */
  readonly replicas: number;
}

interface Measured {
  readonly accepted: number;
  readonly finished: number;
  /** From the answer 202 until the call reaches the model API, milliseconds. */
  readonly startMs: readonly number[];
}

const INSTALLATIONS: readonly Installation[] = [
  { name: 'SQLite, one process', replicas: 0 },
  ...[1, 2, 3].map((replicas) => ({ name: `PostgreSQL and S3, ${replicas}`, replicas })),
];

await using folder = await temporaryFolder();
await using upstream = await startOpenAiServer();
// Models that only this bench knows.
upstream.strict = false;
const small = await texturedPicture({ width: 128, height: 128, format: 'png' });
const body = Buffer.from(JSON.stringify({ data: [{ b64_json: small.toString('base64') }] }));
const instant = answer({ body, type: 'application/json' });
const MODEL_API = { OPENAI_API_KEY: upstream.key ?? '', OPENAI_BASE_URL: upstream.baseUrl };
const postgres = await startPostgres({ durable: true });
const endPostgres = () => void process.kill(postgres.pid, 'SIGQUIT');
process.once('exit', endPostgres);
await using s3 = await startServer([process.execPath, 'test/support/s3/server.ts'], join(folder.path, 's3.log'));
const measured = new Map<string, Measured[]>(INSTALLATIONS.map(({ name }) => [name, []]));
let rounds = 0;
try {
  for (; rounds < ROUNDS && performance.now() * (1 + 1 / Math.max(1, rounds)) < TIME_MS; rounds += 1) {
    for (const installation of INSTALLATIONS) {
      const one = await measure(installation);
      measured.get(installation.name)?.push(one);
      const { accepted, finished, startMs } = one;
      const figures = [
        `${accepted.toFixed(0)} accepted/s`,
        `${finished.toFixed(1)} finished/s`,
        `${median(startMs).toFixed(1)} ms`,
      ];
      console.log(`  round ${rounds + 1} of ${ROUNDS}, ${installation.name}: ${figures.join(', ')}`);
    }
  }
} finally {
  process.off('exit', endPostgres);
  await postgres.stop();
}

const rows = INSTALLATIONS.map(({ name }) => {
  const all = measured.get(name) ?? [];
  const of = (value: (one: Measured) => number) => median(all.map(value));
  const row = [name, of((one) => one.accepted), of((one) => one.finished), of((one) => median(one.startMs))] as const;
  console.log(
    `${name.padEnd(24)}${row[1].toFixed(0)} accepted/s, ${row[2].toFixed(1)} finished/s, begun ${row[3].toFixed(1)} ms after the answer`,
  );
  return row;
});
const [, one, two, three] = rows;
const share = (other: typeof one, column: 1 | 2) => (other?.[column] ?? 0) / (one?.[column] ?? 1);
await saveResults({
  figures: [
    { what: 'finished with 2 replicas beside 1', value: share(two, 2), unit: '', aim: { atLeast: NOT_SLOWER } },
    { what: 'finished with 3 replicas beside 1', value: share(three, 2), unit: '', aim: { atLeast: NOT_SLOWER } },
    { what: 'accepted with 3 replicas beside 1', value: share(three, 1), unit: '', aim: { atLeast: NOT_SLOWER } },
    {
      what: 'from the answer to the call of a job, median, 1 replica',
      value: one?.[3] ?? 0,
      unit: 'ms',
      aim: { atMost: 100 },
    },
    { what: 'the same, 3 replicas', value: three?.[3] ?? 0, unit: 'ms', aim: { atMost: 100 } },
  ],
  tables: [
    {
      title: `Pictures of 128x128 a second, on ${availableParallelism()} cores, the median of ${rounds} rounds`,
      columns: ['installation', 'accepted a second', 'finished a second', 'from the answer to the call, median, ms'],
      rows,
    },
  ],
});

/** Starts the installation anew, with nothing stored, measures it, and ends it. */
async function measure({ replicas }: Installation): Promise<Measured> {
  const place = join(folder.path, randomUUID());
  await mkdir(place);
  upstream.reset();
  upstream.always(instant);
  await using parts = new AsyncDisposableStack();
  const shared = replicas > 0 ? await cluster() : {};
  const services: BenchProcess[] = [];
  for (let number = 0; number < Math.max(1, replicas); number += 1) {
    const home = join(place, String(number));
    await mkdir(home);
    const service = await startEasel(home, { ...SETTINGS, ...MODEL_API, ...shared });
    services.push(parts.use(service));
  }
  const urls = services.map(({ url }) => url);
  const load = (clients: number, status: 201 | 202): Load => ({ urls, clients, status, prompt: place });
  await sendFor(load(WAITING, 201), ROUND_MS / 2);
  const startMs = await beginnings(urls);
  const finished = await sendFor(load(WAITING, 201), ROUND_MS);
  upstream.always(picture({ beforeHeaders: 'forever' }));
  const accepted = await sendFor(load(ACCEPTING, 202), ROUND_MS);
  return { accepted, finished, startMs };
}

/** A database and a beginning of keys of its own. */
async function cluster(): Promise<Readonly<Record<string, string>>> {
  const name = `bench_${randomUUID().replaceAll('-', '')}`;
  const client = new pg.Client({ connectionString: postgres.url() });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  return {
    DATABASE_URL: postgres.url(name),
    S3_BUCKET: 'easel-tests',
    S3_PREFIX: name,
    S3_ENDPOINT: s3.url,
    S3_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  };
}

/** One picture after the other, each on an idle service: the times from the answer to the call. */
async function beginnings(urls: readonly string[]): Promise<readonly number[]> {
  const times: number[] = [];
  for (let number = 0; number < ALONE; number += 1) {
    const prompt = `alone ${randomUUID()}`;
    const response = await fetch(`${urls[number % urls.length]}/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'respond-async' },
      body: JSON.stringify({ prompt }),
    });
    const answeredAt = performance.timeOrigin + performance.now();
    const { mediaId } = (await response.json()) as { readonly mediaId: string };
    await upstream.until(() => upstream.calls.at(-1)?.body.prompt === prompt);
    times.push(Math.max(0, (upstream.calls.at(-1)?.receivedAt ?? answeredAt) - answeredAt));
    for (let status = ''; status !== 'succeeded'; ) {
      const record = await fetch(`${urls[0]}/images/${mediaId}`).then((got) => got.json());
      ({ status } = record as { readonly status: string });
    }
  }
  return times;
}
