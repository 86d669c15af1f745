import { statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startEasel } from '../support/app/easel.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { canMountTmpfs, mountTmpfs } from '../support/tmpfs.ts';

it.runIf(canMountTmpfs)(
  'on a disk that fills up, the service is ready exactly as long as it takes work, and says once that it refuses',
  async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'media');
    const disk = await mountTmpfs(path, '100m');
    await using _mount = { [Symbol.asyncDispose]: () => disk.unmount() };
    await using easel = await startEasel({
      folder: folder.path,
      // Not the bound of a health check.
      skipMs: 500,
      env: { IMAGE_SIZE: '1792x1024', IMAGE_RENDITIONS: '' },
    });
    const lines = () => easel.log.map((line) => JSON.parse(line)).filter(({ storage }) => storage === 'pictures');
    const isReady = async () => {
      // A result of the check is used for a second.
      easel.clock.advance(1_000);
      return (await easel.get('/health/ready')).status === 200;
    };

    for (const [megabytes, isTaken] of [
      [60, true],
      [30, true],
      [17, true],
      [15, false],
      [3, false],
    ] as const) {
      const { bavail, bsize } = await statfs(path);
      const room = bavail * bsize - megabytes * 1e6;
      await writeFile(join(path, `.filler-${megabytes}`), Buffer.alloc(Math.max(0, Math.floor(room))));
      const answer = await easel.post({ prompt: 'a tower', size: '64x64' });
      expect([await isReady(), answer.status], `${megabytes} MB`).toEqual([isTaken, isTaken ? 201 : 507]);
    }
    await Promise.all(Array.from({ length: 100 }, () => easel.post({ prompt: 'a tower' })));
    expect(lines()).toMatchObject([{ level: 50, code: 'storage_full', reason: expect.stringContaining('are needed') }]);

    await writeFile(join(path, '.filler-60'), '');
    expect(await isReady()).toBe(true);
    easel.clock.advance(10_000);
    expect((await easel.post({ prompt: 'a tower', size: '64x64' })).status).toBe(201);
    expect(lines().slice(1)).toMatchObject([{ level: 30, msg: 'pictures can be stored again' }]);
  },
);
