/**
 * From the start of a process until it listens and until it answers `GET /health/ready` with 200: time, processor time, and the memory at
 * rest some seconds later, beside a bare fastify app with the same plugins; and the time of `easel --version`, beside `node --version`. In
 * turns, medians of the rounds. Each is started once before it is measured, so that caches are warm: files are in the page cache, and what
 * Easel compiles once is in its compile cache. The bare app compiles at each start, as Node does by default.
 */

import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { processorTime } from './support/processor-time.ts';
import { saveResults } from './support/results.ts';
import { median } from './support/timing.ts';

const ROUNDS = Number(process.argv[3] ?? 5);
const AIM = 1.5;
const PROJECT = join(import.meta.dirname, '..');
const READY_TIMEOUT_MS = 60_000;
const REST_MS = 4_000;
const { PATH, HOME } = process.env;
const run = promisify(execFile);

interface Start {
  readonly listenMs: number;
  readonly readyMs: number;
  /** Processor time until it is ready. */
  readonly cpuMs: number;
  /** Resident after some seconds without a request. */
  readonly restMB: number;
}

const MEASURES = [
  ['listenMs', 'ms until it listens'],
  ['readyMs', 'ms until ready'],
  ['cpuMs', 'ms of processor time until ready'],
  ['restMB', 'MB at rest'],
] as const;

await using folder = await temporaryFolder();
// No provider is called: nothing listens there.
const provider = { OPENAI_API_KEY: 'bench', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' };
const compileCache = join(folder.path, 'compile-cache');
const easel = (name: string, env: Readonly<Record<string, string>>) => () =>
  start(['bin/easel.js', 'serve'], {
    PORT: '0',
    MEDIA_DIR: join(folder.path, name, 'media'),
    DATABASE_URL: `sqlite:${join(folder.path, name, 'easel.db')}`,
    NODE_COMPILE_CACHE: compileCache,
    ...env,
  });
const servers = {
  'bare fastify': () => start([join('bench', 'support', 'bare-fastify.ts')], {}),
  'Easel, with a provider': easel('provider', provider),
  'Easel, placeholder': easel('placeholder', { PROVIDERS: 'placeholder' }),
};
const [BARE, EASEL] = ['bare fastify', 'Easel, with a provider'] as const;
const starts = Object.keys(servers).map((name) => [name, [] as Start[]] as const);
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const [name, list] of starts) {
    const figure = await servers[name as keyof typeof servers]();
    if (round > 0) list.push(figure);
  }
}
const typical = new Map(
  starts.map(([name, list]) => [name, MEASURES.map(([measure]) => median(list.map((one) => one[measure])))]),
);
const ratios = MEASURES.map(
  (_, column) => (typical.get(EASEL)?.[column] ?? NaN) / (typical.get(BARE)?.[column] ?? NaN),
);
for (const [name, figures] of typical) {
  console.log(
    `${name}: ${figures.map((figure, column) => `${figure.toFixed(0)} ${MEASURES[column]?.[1]}`).join(', ')}`,
  );
}
console.log(`${EASEL}, beside ${BARE}: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')} times (aim ${AIM})`);

const commands: Record<string, number[]> = { 'easel --version': [], 'easel --help': [], 'node --version': [] };
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const [command, times] of Object.entries(commands)) {
    const [program, option = ''] = command.split(' ');
    const began = performance.now();
    await run(process.execPath, program === 'easel' ? [join(PROJECT, 'bin/easel.js'), option] : [option], {
      env: { PATH, HOME, NODE_COMPILE_CACHE: compileCache },
    });
    if (round > 0) times.push(performance.now() - began);
  }
}
for (const [command, times] of Object.entries(commands)) console.log(`${command}: ${median(times).toFixed(0)} ms`);

await saveResults({
  figures: MEASURES.map(([, what], column) => ({
    what: `${what}, beside bare fastify`,
    value: ratios[column] ?? Number.NaN,
    unit: 'times',
    aim: { atMost: AIM },
  })),
  tables: [
    {
      title: `Started ${ROUNDS} times with warm caches, the medians; at rest is ${REST_MS / 1000} s after it is ready`,
      columns: ['service', ...MEASURES.map(([, what]) => what)],
      rows: [...typical].map(([name, figures]) => [name, ...figures]),
    },
    {
      title: 'Commands',
      columns: ['command', 'ms'],
      rows: Object.entries(commands).map(([command, times]) => [command, median(times)]),
    },
  ],
});

/** Starts a service that prints where it listens, waits until it is ready, and ends it. */
async function start(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Start> {
  const began = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: PROJECT,
    env: { PATH, HOME, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  try {
    const url = await new Promise<string>((resolve, reject) => {
      let printed = '';
      child.stdout.on('data', (chunk) => {
        printed += chunk;
        const found = /http:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0];
        if (found !== undefined) resolve(found);
      });
      child.once('close', () => reject(new Error(`${args.join(' ')} does not listen:\n${printed}`)));
    });
    const listenMs = performance.now() - began;
    while (!(await fetch(`${url}/health/ready`)).ok) {
      if (performance.now() - began > READY_TIMEOUT_MS) throw new Error(`${args.join(' ')} is not ready`);
      await delay(5);
    }
    const readyMs = performance.now() - began;
    const { user, system } = await processorTime(child.pid ?? 0);
    await delay(REST_MS);
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    const restMB = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
    return { listenMs, readyMs, cpuMs: user + system, restMB };
  } finally {
    child.kill('SIGTERM');
    await closed;
  }
}
