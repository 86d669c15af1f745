/**
 * From the start of a process until it answers `GET /health/ready` with 200: time, processor time, and the memory at rest a second later,
 * beside a bare fastify app with the same plugins; and the time of `easel --version`, beside `node --version`. In turns, medians of the
 * rounds. Each is started once before it is measured: files are in the page cache, and what may be compiled once is compiled.
 */

import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { processorTime } from './support/processor-time.ts';

const ROUNDS = 5;
const AIM = 1.5;
const PROJECT = join(import.meta.dirname, '..');
const READY_TIMEOUT_MS = 60_000;
const { PATH, HOME } = process.env;
const run = promisify(execFile);

interface Start {
  readonly readyMs: number;
  /** Processor time until it is ready. */
  readonly cpuMs: number;
  readonly restMb: number;
}

await using folder = await temporaryFolder();
// No provider is called: nothing listens there.
const provider = { OPENAI_API_KEY: 'bench', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' };
const media = { MEDIA_DIR: join(folder.path, 'media'), DATABASE_URL: `sqlite:${join(folder.path, 'easel.db')}` };
const easel = () => start(['bin/easel.js', 'serve'], { PORT: '0', ...media, ...provider });
const bare = () => start([join('bench', 'support', 'bare-fastify.ts')], {});
await compare('service', { easel, bare });

async function compare(what: string, servers: Readonly<Record<'easel' | 'bare', () => Promise<Start>>>): Promise<void> {
  const figures = { easel: [] as Start[], bare: [] as Start[] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const name of ['bare', 'easel'] as const) {
      const figure = await servers[name]();
      if (round > 0) figures[name].push(figure);
    }
  }
  for (const [measure, unit] of [
    ['readyMs', 'ms until ready'],
    ['cpuMs', 'ms of processor time until ready'],
    ['restMb', 'MB at rest'],
  ] as const) {
    const [ours, theirs] = [figures.easel, figures.bare].map((starts) => median(starts.map((one) => one[measure])));
    const ratio = (ours ?? Number.NaN) / (theirs ?? Number.NaN);
    console.log(
      `${what}: easel ${ours?.toFixed(0)}, bare fastify ${theirs?.toFixed(0)} ${unit}: ` +
        `${ratio.toFixed(2)} times (aim ${AIM}: ${ratio <= AIM ? 'met' : 'missed'})`,
    );
  }
}

const commands: Record<string, number[]> = { 'easel --version': [], 'easel --help': [], 'node --version': [] };
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const [command, times] of Object.entries(commands)) {
    const [program, option = ''] = command.split(' ');
    const began = performance.now();
    await run(process.execPath, program === 'easel' ? [join(PROJECT, 'bin/easel.js'), option] : [option]);
    if (round > 0) times.push(performance.now() - began);
  }
}
for (const [command, times] of Object.entries(commands)) console.log(`${command}: ${median(times).toFixed(0)} ms`);

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
    while (!(await fetch(`${url}/health/ready`)).ok) {
      if (performance.now() - began > READY_TIMEOUT_MS) throw new Error(`${args.join(' ')} is not ready`);
      await delay(5);
    }
    const readyMs = performance.now() - began;
    const { user, system } = await processorTime(child.pid ?? 0);
    await delay(1000);
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    const restMb = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
    return { readyMs, cpuMs: user + system, restMb };
  } finally {
    child.kill('SIGTERM');
    await closed;
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}
