/** `easel backup` and `easel restore`, with the service as processes of its own. */

import { createHash } from 'node:crypto';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ImageRecord } from '../../src/core/domain/record.ts';
import { callEasel } from '../cli/call-easel.ts';
import { EASEL, runEasel } from '../cli/run-easel.ts';
import { manifestIn, provedNames } from '../composition/backup/fixture.ts';
import { startProcess, startService } from '../support/app/process.ts';
import { startOpenAiServer } from '../support/openai/server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { readDatabase } from '../torture/audit.ts';
import { post, startLife } from '../torture/life.ts';

const DYING = new URL('../support/dying-backup.ts', import.meta.url).href;

/** Runs `easel backup` into `backup` with the module above loaded first. Resolves to the exit code or the signal. */
async function backupWith(folder: string, backup: string, env: Readonly<Record<string, string>>) {
  const command = [process.execPath, '--import', DYING, EASEL, 'backup', backup] as const;
  await using run = startProcess({ folder, command, env });
  return { code: await run.exited, stderr: run.stderr() };
}

/** Compares every published file of every image, on disk and over HTTP, with the hash in its record. Returns how many there are. */
async function compareFiles(folder: string, url: string): Promise<number> {
  let count = 0;
  for (const { mediaId, status } of readDatabase(folder).images) {
    expect([mediaId, status]).toEqual([mediaId, 'succeeded']);
    const record = (await (await fetch(`${url}/images/${mediaId}`)).json()) as ImageRecord;
    for (const file of [record, ...record.renditions]) {
      if (!('sha256' in file) || file.url === null) throw new Error(`${mediaId} has a file that is not finished`);
      const name = decodeURIComponent(file.url.slice(file.url.lastIndexOf('/') + 1));
      const served = new Uint8Array(await (await fetch(`${url}/media/${name}`)).arrayBuffer());
      for (const bytes of [served, await readFile(join(folder, 'media', name))]) {
        expect([name, createHash('sha256').update(bytes).digest('hex')]).toEqual([name, file.sha256]);
      }
      count += 1;
    }
  }
  return count;
}

it('backs up twice while pictures are being made; the restored copy has every picture of its records, by hash', async () => {
  await using first = await temporaryFolder();
  await using second = await temporaryFolder();
  await using away = await temporaryFolder();
  await using upstream = await startOpenAiServer();
  const backup = join(away.path, 'backup');
  {
    await using service = await startLife({ folder: first.path, upstream });
    let stopped = false;
    const making = Promise.all(
      ['a', 'b', 'c'].map(async (lane) => {
        for (let number = 0; !stopped; number += 1)
          await post(service.url, { mediaId: `${lane}${number}`, prompt: lane });
      }),
    );
    await until(async () => readDatabase(first.path).images.length >= 6);
    for (let round = 0; round < 2; round += 1) {
      const run = await runEasel(first.path, ['backup', backup]);
      expect([run.code, run.stderr]).toEqual([0, '']);
    }
    // The originals that are on disk before their records say so may be in the backup too.
    expect(provedNames(backup).length).toBeGreaterThan(6);
    const refused = await callEasel(first.path, ['restore', backup]);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/^another Easel process .* is using .*easel\.db; stop it first/);
    stopped = true;
    await making;
  }
  const restored = await runEasel(second.path, ['restore', backup]);
  expect([restored.code, restored.stderr]).toEqual([0, '']);
  const { images, findings } = readDatabase(second.path);
  expect(findings).toEqual([]);
  expect(images.length).toBeGreaterThanOrEqual(6);

  await using service = await startLife({ folder: second.path, upstream });
  await until(async () => readDatabase(second.path).images.every(({ status }) => status === 'succeeded'));
  expect(await compareFiles(second.path, service.url)).toBe(3 * images.length);
  expect((await stat(join(second.path, 'easel.db'))).mode & 0o777).toBe(0o600);
});

it('a backup that is killed at any of its steps leaves the earlier one whole, and the next one completes it', async () => {
  await using folder = await temporaryFolder();
  await using second = await temporaryFolder();
  await using away = await temporaryFolder();
  const backup = join(away.path, 'backup');
  const small = ['--size', '64x48', '--rendition', '32x24.png'];
  const make = async (mediaId: string) =>
    expect(await callEasel(folder.path, ['generate', mediaId, '--media-id', mediaId, ...small])).toMatchObject({
      code: 0,
    });
  await make('a');
  expect(await callEasel(folder.path, ['backup', backup])).toMatchObject({ code: 0 });
  const earlier = manifestIn(backup);
  await make('b');
  // Two or three pictures of `b`, the database, and the manifest: every one of them has its name by a renaming.
  for (let step = 1; ; step += 1) {
    const { code } = await backupWith(folder.path, backup, { DIE_AT_RENAME: String(step) });
    if (code === 0) {
      expect(step).toBeGreaterThan(3);
      break;
    }
    expect([step, code]).toEqual([step, 'SIGKILL']);
    expect(manifestIn(backup)).toEqual(earlier);
    provedNames(backup);
    expect(step).toBeLessThan(9);
  }
  expect(provedNames(backup)).toContain('b@32x24.png');
  expect(await callEasel(second.path, ['restore', backup])).toMatchObject({ code: 0 });
  await using service = await startService({ folder: second.path });
  expect(await compareFiles(second.path, service.url)).toBe(4);
});

it('a picture that is deleted while the backup runs is no fault; one that stays missing is, by name', async () => {
  await using folder = await temporaryFolder();
  await using away = await temporaryFolder();
  const backup = join(away.path, 'backup');
  const body = { size: '64x48', renditions: [] };
  await using service = await startService({ folder: folder.path });
  for (const mediaId of ['gone', 'kept', 'lost']) await post(service.url, { ...body, prompt: mediaId, mediaId });
  const run = await backupWith(folder.path, backup, { DELETE_FIRST: `${service.url}/images/gone` });
  expect(run).toEqual({ code: 0, stderr: '' });
  expect(provedNames(backup).filter((name) => name.endsWith('.png'))).toEqual(['kept.png', 'lost.png']);

  // Its original has the same bytes, and they are missed only when both are gone.
  const original = readDatabase(folder.path).images.find(({ mediaId }) => mediaId === 'lost')?.original?.name ?? '';
  for (const name of ['lost.png', original]) await rm(join(folder.path, 'media', name));
  await rm(backup, { recursive: true });
  const again = await callEasel(folder.path, ['backup', backup]);
  expect([again.code, again.stdout]).toEqual([1, expect.stringMatching(/^2 images with 4 files/)]);
  expect(again.stderr.trim().split('\n').toSorted()).toEqual([
    expect.stringMatching(/media\/lost\.png is missing$/),
    expect.stringMatching(/media\/originals\/lost~\S+ is missing$/),
    expect.stringMatching(/^2 files are missing or damaged; everything else was backed up$/),
  ]);
});
