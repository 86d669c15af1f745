/** The commands without a service: one in the command's own process, with the settings of a real one. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import type { ImageRecord } from '../../../src/client/shapes.ts';
import { startService } from '../../support/app/process.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { callEasel } from '../call-easel.ts';
import { runEasel } from '../run-easel.ts';

/** Settings of a service that others call, which must not stand in the way of a command. */
const GUARDED = {
  API_KEYS: 'blog:blog-secret:read',
  MEDIA_ACCESS: 'private',
  PUBLIC_URL: 'https://pictures.example/easel',
  RATE_LIMIT_PER_MINUTE: '1',
  MEDIA_LIMIT_PER_MINUTE: '1',
};

it('works without a key and without limits, and writes private pictures whose address has a prefix', async () => {
  await using folder = await temporaryFolder();
  const easel = (...args: readonly string[]) => callEasel(folder.path, args, GUARDED);
  const small = ['--size', '64x48', '--rendition', '32x24.webp'];
  for (const mediaId of ['first', 'second']) {
    const out = join(folder.path, `${mediaId}.png`);
    const run = await easel('generate', 'x', '--media-id', mediaId, ...small, '--out', out, '--json');
    expect([run.code, run.stderr]).toEqual([0, '']);
    const { url } = JSON.parse(run.stdout) as ImageRecord;
    expect(url).toMatch(new RegExp(`^https://pictures\\.example/easel/media/${mediaId}\\.png\\?expires=`));
    expect(await sharp(out).metadata()).toMatchObject({ width: 64, height: 48 });
  }
  const webp = join(folder.path, 'second.webp');
  expect((await easel('get', 'second', '--out', webp)).code).toBe(0);
  expect(await sharp(webp).metadata()).toMatchObject({ format: 'webp', width: 32 });

  const list = await easel('list', '--json');
  expect((JSON.parse(list.stdout) as { items: ImageRecord[] }).items.map(({ mediaId }) => mediaId)).toEqual([
    'second',
    'first',
  ]);
  expect((await easel('get', 'first')).stdout).toMatch(/^path {5}.*media\/first\.png$/m);
  expect((await easel('cancel', 'first')).stdout).toBe('first: succeeded already\n');
  expect((await easel('retry', 'first')).code).toBe(1);
  expect((await easel('models')).stdout).toMatch(/^placeholder +placeholder +yes /m);
  expect((await easel('presets')).stdout).toMatch(/^article-hero /m);
  expect((await easel('rm', 'first', 'second')).stdout).toBe('first: deleted\nsecond: deleted\n');
  expect((await easel('list')).stderr).toContain('no pictures\n');
});

it('names --url where a service owns the database, and works on that service with it', async () => {
  await using folder = await temporaryFolder();
  await using service = await startService({ folder: folder.path });
  for (const args of [['list'], ['generate', 'x'], ['cleanup'], ['models']]) {
    const run = await callEasel(folder.path, [...args, ...(args[0] === 'generate' ? ['--json'] : [])]);
    expect([run.code, run.stderr]).toEqual([
      1,
      expect.stringMatching(/another Easel process .*--url http:\/\/127\.0\.0\.1:3000, or EASEL_URL\n$/),
    ]);
    if (args[0] === 'generate') expect(JSON.parse(run.stdout)).toMatchObject({ code: 'storage_unavailable' });
  }
  expect((await callEasel(folder.path, ['list', '--url', service.url])).stderr).toBe('no pictures\n');
});

/** Sends a Ctrl-C while the service begins to load. */
const INTERRUPTS = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({
    resolve(name, context, next) {
      if (name === './embedded.ts' && context.parentURL.endsWith('with-easel.ts')) process.kill(process.pid, 'SIGINT');
      return next(name, context);
    },
  });
`)}`;

it('says that nothing was paid, and leaves no file, after a Ctrl-C while it starts', async () => {
  await using folder = await temporaryFolder();
  const args = ['generate', 'x', '--out', join(folder.path, 'x.png')];
  const run = await runEasel(folder.path, args, { NODE_OPTIONS: `--import ${INTERRUPTS}` });
  expect([run.code, run.stdout]).toEqual([130, '']);
  expect(run.stderr).toMatch(/^interrupted: nothing was paid$/m);
  expect((await readdir(folder.path)).filter((name) => name.includes('x.png'))).toEqual([]);
});
