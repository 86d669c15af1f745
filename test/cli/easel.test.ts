import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { startProcess } from '../support/app/process.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';

const EASEL = fileURLToPath(new URL('../../src/cli/easel.ts', import.meta.url));

/** Runs the command line in the folder, on the placeholder. */
async function easel({ path: folder }: TemporaryFolder, ...args: readonly string[]) {
  await using run = startProcess({ folder, command: [process.execPath, EASEL, ...args] });
  return { code: await run.exited, stdout: run.stdout(), stderr: run.stderr() };
}

it('generate makes a picture and prints its record alone; cleanup deletes it and prints its report', async () => {
  await using folder = await temporaryFolder();
  const made = await easel(folder, 'generate', 'a', 'lighthouse', '--size', '64x48', '--media-id', 'hero');
  const record = JSON.parse(made.stdout) as ImageRecord;
  expect(made.code).toBe(0);
  expect(record).toMatchObject({ mediaId: 'hero', status: 'succeeded', width: 64, height: 48 });
  expect(record.prompt).toMatch(/^a lighthouse/);
  expect((await readFile(join(folder.path, 'media', 'hero.png'))).length).toBe(record.bytes);

  const preview = await easel(folder, 'cleanup', '--older-than', '0s', '--dry-run');
  expect(JSON.parse(preview.stdout)).toMatchObject({ deleted: 1, dryRun: true });
  const cleaned = await easel(folder, 'cleanup', '--older-than', '0s');
  expect(JSON.parse(cleaned.stdout)).toMatchObject({ deleted: 1, dryRun: false });
  expect([preview.code, cleaned.code]).toEqual([0, 0]);
  await expect(readFile(join(folder.path, 'media', 'hero.png'))).rejects.toThrow('ENOENT');
});

it.each([
  ['no command', [], 64, /^Easel \S+\n\n {2}easel serve/],
  ['an unknown command', ['paint'], 64, /^there is no command paint\n/],
  ['no prompt', ['generate'], 64, /easel generate "a lighthouse at dusk"/],
  ['an invalid size', ['generate', 'x', '--size', 'large'], 1, /must be WIDTHxHEIGHT/],
  ['an unknown option', ['cleanup', '--all'], 1, /^Unknown option '--all'/],
  [
    'an unknown scope',
    ['keys', 'create', 'blog', 'write'],
    1,
    /scopes must be of generate, read, read-all, metrics, admin/,
  ],
] as const)('%s: %j exits with %i and says what is wrong, without a stack', async (_name, args, code, message) => {
  await using folder = await temporaryFolder();
  const run = await easel(folder, ...args);
  expect([run.code, run.stdout]).toEqual([code, '']);
  expect(run.stderr).toMatch(message);
  expect(run.stderr).not.toMatch(/\bat .*\.ts:\d+/);
});

it('help prints every command on standard output', async () => {
  await using folder = await temporaryFolder();
  const { code, stdout } = await easel(folder, 'help');
  expect(code).toBe(0);
  for (const command of ['serve', 'generate', 'cleanup', 'keys create', 'openapi', 'config']) {
    expect(stdout).toContain(`easel ${command}`);
  }
});
