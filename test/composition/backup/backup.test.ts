import { mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SCHEMA_VERSION } from '../../../src/adapters/records/sqlite/schema/migrations.ts';
import { lockFolder } from '../../../src/adapters/storage/folder-lock.ts';
import { backUp } from '../../../src/composition/backup/backup.ts';
import { BackupError } from '../../../src/composition/backup/backup-error.ts';
import { downgrade } from '../../adapters/records/sqlite/downgrade.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts';
import { canMountTmpfs, mountTmpfs } from '../../support/tmpfs.ts';
import { manifestIn, type Place, placeIn, provedNames } from './fixture.ts';

let folder: TemporaryFolder;
let place: Place;
let backup: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  place = placeIn(folder.path);
  backup = join(folder.path, 'backup');
});
afterEach(() => folder[Symbol.asyncDispose]());

it('holds every file that the records name, and the originals of earlier attempts, for its user alone', async () => {
  await place.make('a', 'b');
  // Stored before a crash: the record does not know of it yet.
  await writeFile(place.media('originals/b~1'), 'paid for');
  await writeFile(place.media('stray.png'), 'named by no record');
  const report = await backUp(place.config, backup);
  expect(report).toMatchObject({ images: 2, files: 5, copied: 5, faults: [] });
  expect(provedNames(backup)).toEqual(['a.png', 'b.png', 'originals/a~0', 'originals/b~0', 'originals/b~1']);
  expect(manifestIn(backup).secrets).toMatchObject([{ name: 'webhook-secret' }]);
  for (const entry of await readdir(backup, { recursive: true, withFileTypes: true })) {
    if (entry.name.startsWith('.easel.lock')) continue;
    expect((await stat(join(entry.parentPath, entry.name))).mode & 0o077, entry.name).toBe(0);
  }
});

it('holds an input once, however many records name it, and names one that is missing or damaged', async () => {
  const input = await place.makeEdits('a', 'b');
  expect(await backUp(place.config, backup)).toMatchObject({ images: 2, files: 1, copied: 1, faults: [] });
  expect(provedNames(backup)).toEqual([input]);
  await writeFile(place.media(input), 'damaged');
  expect(await backUp(place.config, join(folder.path, 'other'))).toMatchObject({
    files: 0,
    faults: [`${place.media(input)} is not what its record says`],
  });
});

it('copies only what is new the second time, and drops what no record names any more', async () => {
  await place.make('a', 'b');
  await backUp(place.config, backup);
  await place.remove('a');
  await place.make('c');
  expect(await backUp(place.config, backup)).toMatchObject({ images: 2, files: 4, copied: 2 });
  expect(provedNames(backup)).toEqual(['b.png', 'c.png', 'originals/b~0', 'originals/c~0']);
  const stored = (await readdir(join(backup, 'content'), { recursive: true })).filter((name) => name.length > 60);
  // Four pictures, the database and the secret.
  expect(stored).toHaveLength(6);
  expect(await readdir(backup)).not.toContain('tmp');
});

it('copies a file again that is damaged in the backup', async () => {
  await place.make('a');
  await backUp(place.config, backup);
  const [file] = manifestIn(backup).files;
  const path = join(backup, 'content', file?.sha256.slice(0, 2) ?? '', file?.sha256 ?? '');
  await writeFile(path, 'rotten');
  expect(() => provedNames(backup)).toThrow('damaged');
  expect(await backUp(place.config, backup)).toMatchObject({ copied: 1, faults: [] });
  expect(provedNames(backup)).toHaveLength(2);
});

it('names a picture that is missing or damaged, backs up the others, and keeps what an earlier backup has of it', async () => {
  await place.make('a');
  await backUp(place.config, backup);
  await place.make('b', 'c');
  await rm(place.media('a.png'));
  await rm(place.media('b.png'));
  await writeFile(place.media('c.png'), 'damaged');
  const { faults } = await backUp(place.config, backup);
  expect(faults).toEqual([`${place.media('b.png')} is missing`, `${place.media('c.png')} is not what its record says`]);
  expect(provedNames(backup)).toEqual(['a.png', 'originals/a~0', 'originals/b~0', 'originals/c~0']);
  expect(manifestIn(backup).missing).toEqual(['b.png', 'c.png']);
});

it('refuses a folder inside MEDIA_DIR, also by a link, one that another backup writes, and a place without a database', async () => {
  await expect(backUp(place.config, backup)).rejects.toThrow('there is no database');
  await place.make('a');
  await symlink(place.config.media.root, join(folder.path, 'link'));
  for (const inside of [place.config.media.root, place.media('backup'), join(folder.path, 'link', 'deep', 'backup')]) {
    const error: unknown = await backUp(place.config, inside).catch((raised: unknown) => raised);
    expect(error).toBeInstanceOf(BackupError);
    expect(error).toMatchObject({ isWrongUse: true, message: expect.stringContaining('is inside MEDIA_DIR') });
  }
  expect(await readdir(place.config.media.root)).not.toContain('backup');

  await mkdir(backup, { recursive: true });
  const unlock = lockFolder(backup);
  await expect(backUp(place.config, backup)).rejects.toThrow('another backup into');
  unlock();
});

it('keeps the backup of another database, such as one made anew since its volume was not mounted', async () => {
  await place.make('a');
  await backUp(place.config, backup);
  const names = provedNames(backup);
  const other = placeIn(join(folder.path, 'other'));
  await other.make('b');
  await expect(backUp(other.config, backup)).rejects.toThrow(/holds the backup of another database, made at 20/);
  expect(provedNames(backup)).toEqual(names);
  expect(await readdir(backup)).not.toContain('tmp');
  await expect(backUp(place.config, backup)).resolves.toMatchObject({ images: 1, copied: 0 });
});

it('backs up the database of an older Easel as it is, with its pictures', async () => {
  await place.make('a');
  downgrade(place.config.records.path, SCHEMA_VERSION - 1);
  expect(await backUp(place.config, backup)).toMatchObject({ images: 1, files: 2, faults: [] });
  expect(manifestIn(backup).schemaVersion).toBe(SCHEMA_VERSION - 1);
  expect(await readdir(backup)).not.toContain('tmp');
});

it('says in a sentence that the folder is a file, or that its file system takes no folder', async () => {
  await place.make('a');
  await writeFile(join(folder.path, 'file'), '');
  for (const path of [join(folder.path, 'file'), join(folder.path, 'file', 'below')]) {
    const error: unknown = await backUp(place.config, path).catch((raised: unknown) => raised);
    expect(error).toMatchObject({ isWrongUse: true, message: expect.stringContaining('a file stands in its way') });
  }
  if (process.platform === 'linux') {
    await expect(backUp(place.config, '/proc/backup')).rejects.toThrow('not backed up into /proc/backup: ENOENT');
  }
});

describe.runIf(canMountTmpfs)('on a disk of its own', () => {
  it('says that no room is left, gives back what it took, and keeps the earlier backup', async () => {
    const disk = await mountTmpfs(join(folder.path, 'disk'), '4m');
    try {
      await place.make('a');
      const target = join(disk.path, 'backup');
      await backUp(place.config, target);
      await place.make('b');
      await disk.fill();
      await expect(backUp(place.config, target)).rejects.toThrow(
        'no space is left there; an earlier backup there is kept',
      );
      expect(provedNames(target)).toEqual(['a.png', 'originals/a~0']);
      await disk.empty();
      expect(await readdir(target)).not.toContain('tmp');
      await expect(backUp(place.config, target)).resolves.toMatchObject({ images: 2, copied: 2 });
      disk.setReadOnly(true);
      await expect(backUp(place.config, target)).rejects.toThrow(/EROFS/);
    } finally {
      disk.setReadOnly(false);
      await disk.unmount();
    }
  });
});
