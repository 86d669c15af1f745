import { mkdtemp, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { VERSION } from '../../src/composition/version.ts';
import { SCOPES } from '../../src/security/api-keys.ts';
import { startProcess } from '../support/app/process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { callEasel } from './call-easel.ts';
import { EASEL, runEasel } from './run-easel.ts';

it('cleanup deletes old pictures and prints its report alone', async () => {
  await using folder = await temporaryFolder();
  const easel = (...args: readonly string[]) => runEasel(folder.path, args);
  expect(
    await callEasel(folder.path, ['generate', 'a', 'lighthouse', '--size', '64x48', '--media-id', 'hero']),
  ).toMatchObject({
    code: 0,
  });
  const preview = await callEasel(folder.path, ['cleanup', '--older-than', '0s', '--dry-run']);
  expect(JSON.parse(preview.stdout)).toMatchObject({ deleted: 1, dryRun: true });
  expect(JSON.parse(preview.stdout).mediaIds).toEqual(['hero']);
  const narrowed = ['cleanup', '--older-than', '0s', '--dry-run', '--key', 'anonymous'];
  expect(JSON.parse((await callEasel(folder.path, narrowed)).stdout)).toMatchObject({ deleted: 1 });
  const other = await callEasel(folder.path, [...narrowed, '--label', 'draft']);
  expect(JSON.parse(other.stdout)).toMatchObject({ deleted: 0, mediaIds: [] });
  const cleaned = await easel('cleanup', '--older-than', '0s');
  expect(JSON.parse(cleaned.stdout)).toMatchObject({ deleted: 1, dryRun: false });
  expect([preview.code, cleaned.code]).toEqual([0, 0]);
  await expect(readFile(join(folder.path, 'media', 'hero.png'))).rejects.toThrow('ENOENT');
});

it.each([
  ['no command', [], 2, /^Usage: easel /],
  ['an unknown command', ['clean-up'], 2, /unknown command 'clean-up'\n\(Did you mean cleanup\?\)/],
  ['no prompt', ['generate'], 2, /missing required argument 'prompt'/],
  ['an unknown option', ['cleanup', '--older-then', '3d'], 2, /'--older-then'\n\(Did you mean --older-than\?\)/],
  ['an option without its value', ['generate', 'x', '--size'], 2, /'--size <size>' argument missing/],
  ['a blank label', ['cleanup', '--label', ' '], 2, /^--label: must not be blank/],
  ['a wrong age', ['cleanup', '--older-than', '3'], 2, /^--older-than: must be a number and s, m, h or d/],
  ['an unknown scope', ['keys', 'create', 'blog', 'write'], 2, /scopes must be of generate, read/],
  ['a wrong name', ['keys', 'create', '-', 'read'], 2, /the name must be/],
  ['no server', ['conformance'], 2, /missing required argument 'url'/],
  ['a URL that is none', ['conformance', 'localhost'], 2, /^URL: must be an http or https URL, such as/],
  ['a URL with a key', ['conformance', 'http://a:b@127.0.0.1:1/v1'], 2, /^URL: must hold no user, no password/],
  ['a size that is none', ['conformance', 'http://127.0.0.1:1/v1', '--size', 'big'], 2, /^--size: must be a size/],
  [
    'a variable that is not set',
    ['conformance', 'http://127.0.0.1:1/v1', '--api-key-env', 'A_KEY'],
    2,
    /A_KEY is not set/,
  ],
  ['no folder', ['backup'], 2, /missing required argument 'dir'/],
  ['a limit that is none', ['list', '--limit', 'all'], 2, /^--limit: must be a whole number from 1 to 100000/],
  ['an unknown status', ['list', '--status', 'done'], 2, /^--status: must be one of queued, generating/],
  ['no picture', ['rm'], 2, /missing required argument 'id'/],
  ['an unknown shell', ['completion', 'csh'], 2, /'csh' is invalid.*Allowed choices are bash, zsh, fish/],
] as const)('%s: %j exits with %i and says what is wrong, without a stack', async (_name, args, code, message) => {
  await using folder = await temporaryFolder();
  const run = await callEasel(folder.path, args);
  expect([run.code, run.stdout]).toEqual([code, '']);
  expect(run.stderr).toMatch(message);
  expect(run.stderr).not.toMatch(/\bat .*\.ts:\d+/);
});

it('the process ends with the code of a wrong command line, and prints what is wrong on standard error alone', async () => {
  await using folder = await temporaryFolder();
  for (const args of [['clean-up'], ['cleanup', '--older-than', '3']]) {
    const run = await runEasel(folder.path, args);
    expect(run).toEqual(await callEasel(folder.path, args));
    expect(run.code).toBe(2);
  }
});

it('a wrong setting ends every command with 78', async () => {
  await using folder = await temporaryFolder();
  for (const args of [['generate', 'x'], ['cleanup'], ['serve'], ['backup', 'b'], ['restore', 'b']]) {
    // `serve` is a process, and so is one of the others.
    const start = ['serve', 'cleanup'].includes(args[0] ?? '') ? runEasel : callEasel;
    const { code, stdout, stderr } = await start(folder.path, args, { CONCURRENCY: 'many' });
    expect([args, code, stdout]).toEqual([args, 78, '']);
    expect(stderr).toContain('CONCURRENCY: ');
  }
});

const COMMANDS = [
  'serve',
  'generate',
  'list',
  'get',
  'cancel',
  'retry',
  'rm',
  'cleanup',
  'models',
  'presets',
  'backup',
  'restore',
  'migrate',
  'keys',
  'keys create',
  'doctor',
  'mcp',
  'conformance',
  'openapi',
  'config',
  'completion',
];

const WORK_ON_A_SERVICE = COMMANDS.slice(1, 10).concat('doctor', 'mcp');

it.each(COMMANDS)('%s --help has its options and an example, on standard output', async (command) => {
  await using folder = await temporaryFolder();
  const { code, stdout, stderr } = await callEasel(folder.path, [...command.split(' '), '--help']);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain(`Usage: easel ${command}`);
  expect(stdout).toContain('--help');
  expect(stdout.includes('--url <url>')).toBe(WORK_ON_A_SERVICE.includes(command));
  expect(stdout).toMatch(new RegExp(`Examples?:\n.*easel ${command}`));
});

it('--help lists every command, and --version prints the version', async () => {
  await using folder = await temporaryFolder();
  const help = await runEasel(folder.path, ['--help']);
  expect(help.code).toBe(0);
  for (const command of COMMANDS) expect(help.stdout).toContain(`\n  ${command.split(' ')[0]} `);
  expect(await runEasel(folder.path, ['--version'])).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
});

it('keys create prints the secret on standard error and the line on standard output, or appends it to a file', async () => {
  await using folder = await temporaryFolder();
  const printed = await runEasel(folder.path, ['keys', 'create', 'blog', SCOPES.join('+')]);
  expect(printed.stdout).toMatch(/^blog:sha256-[\w-]{43}:\S+\n$/);
  expect(printed.stderr).toMatch(/^easel_[\w-]{43}$/m);

  const file = join(folder.path, 'keys.txt');
  for (const name of ['first', 'second']) {
    const run = await callEasel(folder.path, ['keys', 'create', name, 'read', '--file', file]);
    expect([run.code, run.stdout]).toEqual([0, '']);
    expect(run.stderr).toMatch(/^easel_[\w-]{43}$/m);
  }
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readFile(file, 'utf8')).toMatch(/^first:sha256-\S+:read\nsecond:sha256-\S+:read\n$/);

  await writeFile(file, '# without a line feed at its end');
  await callEasel(folder.path, ['keys', 'create', 'third', 'read', '--file', file]);
  expect(await readFile(file, 'utf8')).toMatch(/^# without a line feed at its end\nthird:\S+\n$/);
});

it('serve runs under the process id of the command, with its memory settings, and ends with 0 at a signal', async () => {
  await using folder = await temporaryFolder();
  const preload = join(folder.path, 'show.mjs');
  await writeFile(
    preload,
    `console.log('${'process'}', process.pid, process.execArgv.join(' '), process.env.MALLOC_ARENA_MAX)`,
  );
  const node = [process.execPath, '--import', preload] as const;
  await using run = startProcess({ folder: folder.path, command: [...node, EASEL, 'serve'] });
  await expect.poll(() => run.stdout()).toContain('listens on');
  const starts = run.stdout().match(/^process .*$/gm);
  // The thread that writes to the database has loaded it, too.
  expect(starts).toContain(
    `process ${run.child.pid} --import ${preload} --max-semi-space-size=8 --heap-growing-percent=200 --single-threaded-gc 2`,
  );
  run.child.kill('SIGTERM');
  expect(await run.exited).toBe(0);
});

it('runs through a link, as npm and npx install the command', async () => {
  await using folder = await temporaryFolder();
  const link = join(folder.path, 'easel');
  await symlink(EASEL, link);
  await using run = startProcess({ folder: folder.path, command: [link, '--version'] });
  expect(await run.exited, run.stderr()).toBe(0);
});

it('says on a Node that is too old which one it needs', async () => {
  await using folder = await temporaryFolder();
  // A copy outside of a checkout, and a Node that calls itself 20.
  const outside = await mkdtemp(join(folder.path, 'bin-'));
  await writeFile(join(outside, 'package.json'), '{ "type": "module" }');
  await writeFile(join(outside, 'easel.js'), await readFile(EASEL));
  const old =
    "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.1.0'});" +
    "Object.defineProperty(process,'version',{value:'v20.1.0'})";
  const command = [process.execPath, '--import', old, join(outside, 'easel.js'), 'generate', 'x'] as const;
  await using run = startProcess({ folder: folder.path, command });
  expect(await run.exited).toBe(1);
  expect(run.stderr()).toBe('Easel needs Node.js 24 or newer, and this is v20.1.0.\n');

  // In a checkout it runs on the Node of the checkout.
  await using inside = startProcess({
    folder: folder.path,
    command: [process.execPath, '--import', old, EASEL, '--version'],
  });
  expect(await inside.exited, inside.stderr()).toBe(0);
  expect(inside.stdout()).toBe(`${VERSION}\n`);
});
