import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { copyDatabase, openSnapshot } from '../../../src/adapters/records/sqlite/snapshot.ts';
import { backUp } from '../../../src/composition/backup/backup.ts';
import { restoreBackup } from '../../../src/composition/backup/restore.ts';
import { ForeignMediaError } from '../../../src/core/domain/errors.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts';
import { canMountTmpfs, mountTmpfs } from '../../support/tmpfs.ts';
import { contentOf, contentPath, manifestIn, type Place, placeIn } from './fixture.ts';

const NAMES = ['a.png', 'b.png', 'originals/a~0', 'originals/b~0'];

let folder: TemporaryFolder;
let place: Place;
let backup: string;

/** A backup of `a` and `b`. */
beforeEach(async () => {
  folder = await temporaryFolder();
  place = placeIn(join(folder.path, 'first'));
  backup = join(folder.path, 'backup');
  await place.make('a', 'b');
  await backUp(place.config, backup);
});
afterEach(() => folder[Symbol.asyncDispose]());

const restore = ({ config }: Place) => restoreBackup(config, backup, pino({ level: 'silent' }));
const read = (path: string) => readFile(path, 'utf8');

/** The mediaIds in a database. */
function imagesIn({ config }: Place): readonly string[] {
  const copy = join(folder.path, `copy-${process.hrtime.bigint()}`);
  copyDatabase(config.records.path, copy);
  using snapshot = openSnapshot(copy, `${copy}-spare`);
  return [...snapshot.images()].map(({ mediaId }) => mediaId).toSorted();
}

it('fills an empty place with database, pictures, secret and mark, and writes nothing the second time', async () => {
  const empty = placeIn(join(folder.path, 'second'));
  expect(await restore(empty)).toMatchObject({ images: 2, restored: 4, kept: 0, setAside: [], unknown: 0, faults: [] });
  expect(imagesIn(empty)).toEqual(['a', 'b']);
  for (const name of NAMES) expect(await read(empty.media(name))).toBe(contentOf(name));
  expect(await read(empty.media('.easel'))).toBe(await read(place.media('.easel')));
  const data = dirname(empty.config.records.path);
  expect(await read(join(data, 'webhook-secret'))).toBe('whsec_c2VjcmV0');
  for (const name of ['easel.db', 'webhook-secret']) expect((await stat(join(data, name))).mode & 0o777).toBe(0o600);

  expect(await restore(empty)).toMatchObject({ restored: 0, kept: 4, setAside: [], faults: [] });
});

it('puts back an input that records share', async () => {
  const input = await place.makeEdits('c', 'd');
  await backUp(place.config, backup);
  const empty = placeIn(join(folder.path, 'second'));
  expect(await restore(empty)).toMatchObject({ images: 4, restored: 5, unknown: 0, faults: [] });
  expect(await read(empty.media(input))).toBe('logo');
  await rm(empty.media(input));
  expect(await restore(empty)).toMatchObject({ restored: 1, kept: 4 });
});

it('puts back what is missing or different, sets the earlier database and secret aside, and removes no file', async () => {
  await place.make('later');
  await rm(place.media('a.png'));
  await writeFile(place.media('b.png'), 'other bytes');
  const data = dirname(place.config.records.path);
  await writeFile(join(data, 'webhook-secret'), 'another');
  const report = await restore(place);
  expect(report).toMatchObject({ restored: 2, kept: 2, unknown: 2 });
  expect(imagesIn(place)).toEqual(['a', 'b']);
  for (const name of NAMES) expect(await read(place.media(name))).toBe(contentOf(name));
  expect(await read(place.media('later.png'))).toBe(contentOf('later.png'));
  const [secret = '', database = ''] = report.setAside;
  expect(await read(secret)).toBe('another');
  expect(imagesIn({ ...place, config: { ...place.config, records: { path: database } } })).toEqual(['a', 'b', 'later']);
});

it('sets the earlier database aside with what only its log had, so that each of the two is one whole file', async () => {
  const { path } = place.config.records;
  const killed = new DatabaseSync(path);
  killed.exec("UPDATE images SET owner = 'in the log'");
  for (const end of ['', '-wal']) await copyFile(path + end, `${path}${end}.copy`);
  killed.close();
  for (const end of ['', '-wal']) await copyFile(`${path}${end}.copy`, path + end);

  const { setAside } = await restore(place);
  expect(setAside).toEqual([expect.stringMatching(/easel\.db\.replaced-[\dTZ-]+$/)]);
  using earlier = new DatabaseSync(setAside[0] ?? '', { readOnly: true });
  expect(earlier.prepare('SELECT DISTINCT owner FROM images').all()).toEqual([{ owner: 'in the log' }]);
  using restored = new DatabaseSync(path, { readOnly: true });
  expect(restored.prepare("SELECT count(*) AS count FROM images WHERE owner = 'in the log'").get()).toEqual({
    count: 0,
  });
});

it('names every damaged picture of the backup, and restores the others', async () => {
  const [first, second] = manifestIn(backup).files;
  await rm(contentPath(backup, first?.sha256 ?? ''));
  await writeFile(contentPath(backup, second?.sha256 ?? ''), 'rotten');
  const empty = placeIn(join(folder.path, 'second'));
  const { faults, restored } = await restore(empty);
  expect(restored).toBe(2);
  expect(faults).toEqual([first, second].map((file) => expect.stringContaining(`${file?.name} is missing or damaged`)));
  expect(imagesIn(empty)).toEqual(['a', 'b']);
});

it('changes nothing where the database or the secret of the backup is damaged', async () => {
  const { database, secrets } = manifestIn(backup);
  for (const { sha256 } of [...secrets, database]) {
    await writeFile(contentPath(backup, sha256), 'rotten');
    await rm(place.media('a.png'), { force: true });
    await expect(restore(place)).rejects.toThrow(/nothing was restored.*missing or damaged/);
    await expect(stat(place.media('a.png'))).rejects.toThrow('ENOENT');
  }
  expect(imagesIn(place)).toEqual(['a', 'b']);
});

it('takes over a folder of another database only where that has no other pictures, or ADOPT_MEDIA says so', async () => {
  const other = placeIn(join(folder.path, 'other'));
  await other.make('theirs');
  await expect(restore(other)).rejects.toThrow(ForeignMediaError);
  await expect(restore(other)).rejects.toThrow('pictures that the backup does not know, such as ');
  expect(imagesIn(other)).toEqual(['theirs']);
  const { config } = other;
  const adopting = { ...other, config: { ...config, media: { ...config.media, adopt: true } } };
  expect(await restore(adopting)).toMatchObject({ restored: 4, unknown: 2 });
  expect(imagesIn(other)).toEqual(['a', 'b']);

  // A service that was started once, and has made nothing yet.
  const fresh = placeIn(join(folder.path, 'fresh'));
  await mkdir(dirname(fresh.config.records.path), { recursive: true });
  await mkdir(fresh.config.media.root, { recursive: true });
  await fresh.make();
  expect(await restore(fresh)).toMatchObject({ restored: 4, unknown: 0 });
});

it('refuses a folder without a backup, and a manifest that leads elsewhere', async () => {
  await expect(restoreBackup(place.config, folder.path, pino({ level: 'silent' }))).rejects.toThrow('holds no backup');
  const path = join(backup, 'easel-backup.json');
  await writeFile(path, (await read(path)).replace('"a.png"', '"../a.png"'));
  await expect(restore(place)).rejects.toThrow('is damaged, or of another version of Easel');
  expect(await readdir(folder.path)).not.toContain('a.png');
});

it.runIf(canMountTmpfs)('says in a sentence that the disk is read-only, and what to do', async () => {
  const disk = await mountTmpfs(join(folder.path, 'disk'), '4m');
  try {
    const there = placeIn(disk.path);
    await restore(there);
    disk.setReadOnly(true);
    await expect(restore(there)).rejects.toThrow(
      /^not restored: the database .*easel.db.lock cannot be used: .*readonly.*run it again$/,
    );
    await expect(restore(placeIn(join(disk.path, 'new')))).rejects.toThrow(/^not restored: EROFS: .*run it again$/);
  } finally {
    disk.setReadOnly(false);
    await disk.unmount();
  }
});
