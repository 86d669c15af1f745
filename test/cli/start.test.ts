import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startService } from '../support/app/process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { EASEL, runEasel } from './run-easel.ts';

/** What takes long to load, and what no command needs that prints a text. */
const SERVICE =
  /\/node_modules\/(?:fastify|sharp|openai|undici|pino|prom-client|uuid|@fastify\/[\w-]+)\/|\/src\/client\/(?!errors)/;
const preload = new URL('../support/loaded-modules.ts', import.meta.url).href;

test.each([['--version'], ['--help'], ['keys', '--help']])(
  'easel %s loads neither service nor client',
  async (...args) => {
    await using folder = await temporaryFolder();
    const list = join(folder.path, 'modules');
    const { code } = await runEasel(folder.path, args, { NODE_OPTIONS: `--import=${preload}`, LOADED_MODULES: list });
    expect(code).toBe(0);
    const loaded = (await readFile(list, 'utf8')).split('\n');
    expect(loaded.filter((url) => SERVICE.test(url))).toEqual([]);
    expect(loaded.some((url) => url.includes('/commander/'))).toBe(true);
  },
);

test('the service starts without the command line, and without what only some installations use', async () => {
  await using folder = await temporaryFolder();
  const list = join(folder.path, 'modules');
  const env = { NODE_OPTIONS: `--import=${preload}`, LOADED_MODULES: list, OPENAI_API_KEY: 'key' };
  await using service = await startService({ folder: folder.path, command: [process.execPath, EASEL, 'serve'], env });
  expect((await fetch(`${service.url}/health/ready`)).status).toBe(200);
  const loaded = (await readFile(list, 'utf8')).split('\n');
  const unused =
    /\/node_modules\/(?:commander|pino-pretty|@modelcontextprotocol|@trustnxt|@peculiar|@opentelemetry\/(?!api\/))/;
  // What is used with a call, a picture or a webhook, most of it on threads.
  expect(loaded.filter((url) => /\/node_modules\/(?:openai|undici|sharp|@img)\//.test(url))).toEqual([]);
  expect(loaded.filter((url) => unused.test(url))).toEqual([]);
  expect(loaded.some((url) => url.includes('/fastify/'))).toBe(true);
});

test('what was compiled is kept in a folder of the user alone', async () => {
  await using folder = await temporaryFolder();
  const env = { XDG_CACHE_HOME: join(folder.path, 'cache'), NODE_COMPILE_CACHE: undefined as unknown as string };
  expect((await runEasel(folder.path, ['--version'], env)).code).toBe(0);
  const kept = join(folder.path, 'cache', 'easel', 'compile');
  expect((await readdir(kept)).length).toBe(1);
  expect((await stat(kept)).mode & 0o077).toBe(0);
});

test('the service does not load the undici inside Node', async () => {
  const files = ['src/http/app.ts', 'src/composition/services.ts'].map(
    (file) => new URL(`../../${file}`, import.meta.url),
  );
  const load = files.map(({ href }) => `await import('${href}')`).join(';');
  const print = "console.log(process.moduleLoadList.some((name) => name.includes('deps/undici')))";
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', `${load};${print}`]);
  expect(stdout.trim()).toBe('false');
});

test('a service that is killed has written what was compiled', async () => {
  await using folder = await temporaryFolder();
  const cache = join(folder.path, 'cache');
  const command = [process.execPath, EASEL, 'serve'] as const;
  const env = { NODE_COMPILE_CACHE: cache, PROVIDERS: 'placeholder' };
  await using service = await startService({ folder: folder.path, command, env });
  const written = async () => (await readdir(cache, { recursive: true })).length;
  await until(async () => (await written()) > 100);
  service.child.kill('SIGKILL');
  expect(await service.exited).toBe('SIGKILL');
});

test.each<[string, Record<string, string>]>([
  ['there can be no folder', { XDG_CACHE_HOME: '/proc/nope' }],
  ['its home does not exist', { HOME: '/nonexistent', XDG_CACHE_HOME: '' }],
  ['it is switched off', { NODE_DISABLE_COMPILE_CACHE: '1' }],
])('a command runs without a compile cache where %s', async (_what, given) => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, 'cache'));
  const env = {
    XDG_CACHE_HOME: join(folder.path, 'cache'),
    ...given,
    NODE_COMPILE_CACHE: undefined as unknown as string,
  };
  expect((await runEasel(folder.path, ['--version'], env)).code).toBe(0);
  expect(await readdir(join(folder.path, 'cache')).then((names) => names.length)).toBeLessThanOrEqual(1);
});
