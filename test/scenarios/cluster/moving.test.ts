import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runEasel } from '../../cli/run-easel.ts';
import { startService } from '../../support/app/process.ts';
import { postUntilTaken } from '../../support/cluster/post-taken.ts';
import { openReplicas } from '../../support/cluster/replicas.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const SMALL = { IMAGE_SIZE: '256x256', IMAGE_RENDITIONS: '128x128.png' };
const NAMES = Array.from({ length: 10 }, (_, index) => `picture-${index}`);

it('an installation of one process is moved, served by two replicas, and its commands work there', async () => {
  await using folder = await temporaryFolder();
  const hashes = new Map<string, string>();
  {
    await using single = await startService({ folder: folder.path, env: SMALL });
    for (const mediaId of NAMES) {
      const { status, body } = await postUntilTaken(single, { mediaId, prompt: mediaId });
      expect(status).toBe(201);
      hashes.set(mediaId, `${body.sha256}`);
    }
    single.child.kill();
    expect(await single.exited).toBe(0);
  }

  await using cluster = await openReplicas('bucket');
  const { DATABASE_URL = '', S3_BUCKET = '', S3_PREFIX = '', ...env } = { ...cluster.env, ...SMALL };
  const media = join(folder.path, 'media');
  const migrate = async () =>
    await runEasel(
      folder.path,
      [
        ...['migrate', '--from', `sqlite:${folder.path}/easel.db`, '--media-from', media],
        ...['--to', DATABASE_URL, '--media-to', `s3://${S3_BUCKET}/${S3_PREFIX}`],
      ],
      env,
    );
  expect(await migrate()).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringContaining('10 records and 40 files were copied now'),
  });

  const replicas = await Promise.all([cluster.start('all', SMALL), cluster.start('api', SMALL)]);
  for (const { url } of replicas) {
    for (const [mediaId, hash] of hashes) {
      const picture = await (await fetch(`${url}/media/${mediaId}.png`)).bytes();
      expect(createHash('sha256').update(picture).digest('hex')).toBe(hash);
    }
  }

  const shared = { ...cluster.env, ...SMALL };
  const out = join(folder.path, 'boat.png');
  expect(await runEasel(folder.path, ['generate', 'a boat', '--out', out], shared)).toMatchObject({
    code: 0,
    stderr: '',
  });
  const cleanup = await runEasel(folder.path, ['cleanup', '--dry-run'], shared);
  expect([cleanup.code, JSON.parse(cleanup.stdout)]).toMatchObject([0, { kept: 11, missingFiles: 0, dryRun: true }]);
  for (const command of ['backup', 'restore']) {
    expect(await runEasel(folder.path, [command, join(folder.path, 'backup')], shared)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^DATABASE_URL leads to PostgreSQL: [^\n]*\n$/),
    });
  }

  const repeated = await migrate();
  expect(repeated).toMatchObject({ code: 0, stdout: expect.stringContaining('0 records and 0 files were copied now') });
  expect(repeated.stdout).toContain('no record was written');
  await writeFile(join(media, 'picture-3.png'), 'damaged');
  await rm(join(media, 'picture-4@128x128.png'));
  const damaged = await migrate();
  expect(damaged.code).toBe(1);
  expect(damaged.stderr).toContain(`${join(media, 'picture-3.png')} has the SHA-256`);
  expect(damaged.stderr).toContain(`${join(media, 'picture-4@128x128.png')} is missing`);
});
