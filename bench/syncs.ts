/**
 * What a disk with slow syncs costs: pictures a second, eight at a time, and the time of a media GET meanwhile, of one service whose every
 * fsync and fdatasync takes 20 ms longer, as over a network, beside one that runs under strace as well and is not delayed. The two take
 * turns; the figure is the median of the rounds. Syncs are counted by what they are for. The aims are 0.6 of the rate, and a p99 of the
 * GETs that is at most twice as long.
 */

import { execFile, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { answer } from '../test/support/openai/answers.ts';
import { startOpenAiServer } from '../test/support/openai/server.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { photo } from './support/photo.ts';
import { type BenchProcess, makePicture, startServer } from './support/service.ts';

const ROUNDS = 3;
const PICTURES = 32;
const AT_ONCE = 8;
/** Pause between two media GETs, in milliseconds. */
const GET_EVERY_MS = 5;
const DELAY_MS = 20;
const RATE_AIM = 0.6;
const P99_AIM = 2;

interface Traced {
  readonly name: string;
  readonly server: BenchProcess;
  /** The file that strace writes a line of each sync to. */
  readonly trace: string;
  /** Address of the picture that is fetched. */
  readonly media: string;
}

interface Round {
  readonly rate: number;
  readonly p99Ms: number;
}

if (spawnSync('strace', ['-V']).error) {
  console.error('this bench needs strace: apt-get install strace');
  process.exit(69);
}

await using folder = await temporaryFolder();
await using slowFolder = await temporaryFolder();
await using upstream = await startOpenAiServer();
const b64_json = (await photo()).toString('base64');
upstream.always(answer({ body: JSON.stringify({ data: [{ b64_json }] }), type: 'application/json' }));

await using fast = await startTraced('undelayed', folder.path, []);
const inject = ['-e', `inject=fsync,fdatasync:delay_exit=${DELAY_MS * 1000}`];
await using slow = await startTraced(`+${DELAY_MS} ms`, slowFolder.path, inject);

const rounds = new Map<string, Round[]>();
for (let round = 0; round < ROUNDS; round++) {
  for (const traced of [fast, slow]) {
    rounds.set(traced.name, [...(rounds.get(traced.name) ?? []), await measure(traced, round)]);
  }
}
const [undelayed, delayed] = [await describe(fast), await describe(slow)];
const ratio = delayed.rate / undelayed.rate;
const times = delayed.p99Ms / undelayed.p99Ms;
console.log(
  `rate ${ratio.toFixed(2)} (aim ${RATE_AIM}), p99 of a media GET ${times.toFixed(1)} times (aim ${P99_AIM})`,
);
if (ratio < RATE_AIM || times > P99_AIM) process.exitCode = 1;

/** Starts the service under strace, which stops it at its syncs only, and makes its first pictures. */
async function startTraced(name: string, path: string, options: readonly string[]): Promise<Traced & AsyncDisposable> {
  const trace = join(path, 'syncs.txt');
  const strace = [
    'strace',
    '-f',
    '-y',
    '--seccomp-bpf',
    '-e',
    'trace=fsync,fdatasync',
    ...options,
    '-o',
    trace,
  ] as const;
  const command = [...strace, process.execPath, join(import.meta.dirname, '../bin/easel.js'), 'serve'] as const;
  const server = await startServer([command[0], ...command.slice(1)], join(path, 'easel.log'), {
    PORT: '0',
    MEDIA_DIR: join(path, 'media'),
    DATABASE_URL: `sqlite:${join(path, 'easel.db')}`,
    CONCURRENCY: String(AT_ONCE),
    OPENAI_API_KEY: upstream.key ?? '',
    OPENAI_BASE_URL: upstream.baseUrl,
  });
  const { url } = await makePicture(server.url, { mediaId: 'first', prompt: 'a lighthouse' });
  await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => makePicture(server.url, { prompt: `warm ${n}` })));
  return {
    ...{ name, server, trace, media: `${server.url}${url}` },
    async [Symbol.asyncDispose]() {
      // strace would leave the service behind, and ends with it.
      const { stdout } = await promisify(execFile)('pgrep', ['-P', String(server.pid)]);
      process.kill(Number(stdout));
      while (await isAlive(Number(stdout))) await delay(20);
      await server[Symbol.asyncDispose]();
    },
  };
}

async function measure({ name, server, media }: Traced, round: number): Promise<Round> {
  const began = performance.now();
  let made = 0;
  let isDone = false;
  const gets: number[] = [];
  const fetching = (async () => {
    while (!isDone) {
      const sent = performance.now();
      await (await fetch(media)).arrayBuffer();
      gets.push(performance.now() - sent);
      await delay(GET_EVERY_MS);
    }
  })();
  const work = async () => {
    while (made < PICTURES) await makePicture(server.url, { prompt: `${name}, round ${round}, picture ${made++}` });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const seconds = (performance.now() - began) / 1000;
  isDone = true;
  await fetching;
  return { rate: PICTURES / seconds, p99Ms: gets.toSorted((a, b) => a - b)[Math.floor(gets.length * 0.99)] ?? 0 };
}

async function describe({ name, trace }: Traced): Promise<Round> {
  const of = rounds.get(name) ?? [];
  const rate = median(of.map((one) => one.rate));
  const p99Ms = median(of.map((one) => one.p99Ms));
  const syncs = (await readFile(trace, 'utf8')).split('\n').filter((line) => /\b(fsync|fdatasync)\(/.test(line));
  const ofDatabase = syncs.filter((line) => line.includes('easel.db')).length;
  const pictures = ROUNDS * PICTURES + AT_ONCE + 1;
  console.log(
    `${name.padEnd(12)}${rate.toFixed(1)} pictures/s, p99 of a media GET ${p99Ms.toFixed(0)} ms, syncs a picture: ` +
      `${(ofDatabase / pictures).toFixed(1)} of the database, ${((syncs.length - ofDatabase) / pictures).toFixed(1)} of files`,
  );
  return { rate, p99Ms };
}

async function isAlive(pid: number): Promise<boolean> {
  return await readFile(`/proc/${pid}/stat`).then(
    () => true,
    () => false,
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}
