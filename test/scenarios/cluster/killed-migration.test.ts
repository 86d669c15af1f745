import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { EASEL, runEasel } from '../../cli/run-easel.ts';
import { makeInstallation, postgresContents, sqliteContents } from '../../composition/migrate/installation.ts';
import { startProcess } from '../../support/app/process.ts';
import { createTestDatabase } from '../../support/postgres/shared-server.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';

/** More than one transaction of records. */
const IMAGES = 250;

it('goes on after SIGKILL in the middle, ends with everything moved, and with 1 where a file is not as it should be', async () => {
  await using folder = await temporaryFolder();
  const source = await makeInstallation(join(folder.path, 'source'), IMAGES);
  const target = await createTestDatabase();
  const pictures = join(folder.path, 'pictures');
  const { from, mediaFrom } = source.from;
  const args = ['migrate', '--from', from, '--media-from', mediaFrom, '--to', target.url, '--media-to', pictures];
  try {
    const moved = () => target.query('SELECT count(*)::int AS images FROM easel.images').catch(() => []);
    {
      await using run = startProcess({ folder: folder.path, command: [process.execPath, EASEL, ...args] });
      // Nothing is moved to its end while this holds the row that says so.
      await using _held = await holdImport(target.url);
      await until(async () => Number((await moved())[0]?.images ?? 0) > 0);
      run.child.kill('SIGKILL');
      expect(await run.exited).toBe('SIGKILL');
    }
    expect(await target.query('SELECT finished_at FROM easel.import')).toEqual([{ finished_at: null }]);

    const second = await runEasel(folder.path, args);
    expect(second).toMatchObject({ code: 0, stderr: '' });
    const [, added, copied] = /read back; (\d+) records and (\d+) files were copied now/.exec(second.stdout) ?? [];
    expect(Number(added)).toBeLessThan(source.images);
    expect(Number(copied)).toBeLessThan(source.files.size);
    expect(second.stdout).toContain(`${source.images} images with ${source.files.size} files`);
    for (const [name, content] of source.files) expect(await readFile(join(pictures, name), 'utf8')).toBe(content);
    expect(await postgresContents(target.url)).toEqual(await sqliteContents(source.database));

    const third = await runEasel(folder.path, args);
    expect(third.stdout).toContain('0 records and 0 files were copied now');
    expect(third.stdout).toContain('no record was written');

    await writeFile(join(source.media, 'picture-0007.png'), 'damaged');
    const fourth = await runEasel(folder.path, args);
    expect(fourth.code).toBe(1);
    expect(fourth.stderr).toContain(`${join(source.media, 'picture-0007.png')} has the SHA-256`);
    expect(fourth.stderr).toContain('1 record or file is missing or damaged; everything else was moved');
  } finally {
    await target.drop();
  }
});

/** Locks the row of the import as soon as it is there. */
async function holdImport(url: string): Promise<AsyncDisposable> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  await until(async () => {
    await client.query('BEGIN');
    const found = await client.query('SELECT 1 FROM easel.import FOR UPDATE').catch(() => null);
    if (found?.rowCount === 1) return true;
    await client.query('ROLLBACK');
    return false;
  });
  return {
    async [Symbol.asyncDispose]() {
      const ended = once(client, 'end');
      await client.end();
      await ended;
    },
  };
}
