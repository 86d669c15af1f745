import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from './support/temporary-folder.ts';

const SRC = join(import.meta.dirname, '../src');
const { UV_THREADPOOL_SIZE: _ours, ...ENVIRONMENT } = process.env;

function run(args: readonly string[], env: Readonly<Record<string, string>>) {
  return spawnSync(process.execPath, args, { env: { ...ENVIRONMENT, ...env }, encoding: 'utf8' });
}

describe("the size of libuv's pool", () => {
  it.each<[Readonly<Record<string, string>>, number]>([
    // One thread for each encode, one for a deferred rendition, eight for files.
    [{ IMAGING_CONCURRENCY: '1' }, 1 + 1 + 8],
    [{ IMAGING_CONCURRENCY: '16' }, 16 + 1 + 8],
    [{ IMAGING_CONCURRENCY: '256' }, 256 + 1 + 8],
    // Two worker threads, with three each.
    [{ IMAGING_CONCURRENCY: '5' }, 6 + 1 + 8],
    [{ IMAGING_CONCURRENCY: '16', UV_THREADPOOL_SIZE: '7' }, 7],
    [{ IMAGING_CONCURRENCY: '3', UV_THREADPOOL_SIZE: '' }, 3 + 1 + 8],
  ])('with %j is %i', (env, size) => {
    const code = `await import('${SRC}/thread-pool.ts'); console.log(process.env.UV_THREADPOOL_SIZE)`;
    expect(run(['--input-type=module', '--eval', code], env).stdout).toBe(`${size}\n`);
  });

  it.each([{}, { IMAGING_CONCURRENCY: '' }, { IMAGING_CONCURRENCY: 'many' }])(
    'with %j follows the processors',
    (env) => {
      const code = `await import('${SRC}/thread-pool.ts'); console.log(process.env.UV_THREADPOOL_SIZE)`;
      const size = Number(run(['--input-type=module', '--eval', code], env).stdout);
      expect(size).toBeGreaterThanOrEqual(availableParallelism() + 1 + 8);
    },
  );

  it('is what the process has: its threads are started after it is set', () => {
    const code =
      `await import('${SRC}/thread-pool.ts'); const { readdirSync } = await import('node:fs');` +
      `const { readFile } = await import('node:fs/promises'); const count = () => readdirSync('/proc/self/task').length;` +
      // The first work for the pool starts all of its threads.
      `const before = count(); await readFile('${SRC}/thread-pool.ts'); console.log(count() - before)`;
    const args = ['--input-type=module', '--eval', code];
    const few = Number(run(args, { UV_THREADPOOL_SIZE: '1' }).stdout);
    expect(Number(run(args, { IMAGING_CONCURRENCY: '16' }).stdout) - few).toBe(24);
  });
});

it.each([
  ['main.ts', ['main.ts'], { PORT: 'none' }],
  ['the command line', ['cli/easel.ts', '--version'], {}],
] as const)('is set by %s before anything that may load sharp', async (_entry, [file, ...args], env) => {
  await using folder = await temporaryFolder();
  const log = join(folder.path, 'loaded');
  const preload = join(import.meta.dirname, 'support/loaded-modules.ts');
  run(['--import', preload, join(SRC, file), ...args], { ...env, LOADED_MODULES: log });
  const loaded = (await readFile(log, 'utf8')).split('\n');
  const first = (pattern: RegExp) => loaded.findIndex((url) => pattern.test(url));
  const pool = first(/\/src\/thread-pool\.ts$/);
  expect(pool).toBeGreaterThan(-1);
  // Sharp itself is loaded with the first picture, by what these import.
  const users = loaded.flatMap((url, index) =>
    /node_modules\/sharp\/|\/src\/(?:adapters|composition)\//.test(url) ? index : [],
  );
  expect(Math.min(...users)).toBeGreaterThan(pool);
});
