import { once } from 'node:events';
import { copyFile, open, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openSqliteRecords } from '../../../../src/adapters/records/sqlite/records.ts';
import { anImage, aRequest, at } from '../../../contracts/record-store/example-images.ts';
import { trivialDerive } from '../../../contracts/record-store/trivial-derive.ts';
import { canMountTmpfs, mountTmpfs } from '../../../support/tmpfs.ts';
import { LONGEST_WAIT_MS } from '../../../support/until.ts';
import { integrity, makePlaceForEach } from './fixture.ts';

const place = makePlaceForEach();

describe('faults', () => {
  it.runIf(canMountTmpfs)('survives a full disk (a real one, which needs the right to mount)', async () => {
    const disk = await mountTmpfs(join(place.folder(), 'disk'), '2m');
    try {
      const path = join(disk.path, 'easel.db');
      const records = place.open(path);
      await records.accept(anImage({ mediaId: 'a' }), Infinity);
      await disk.fill();
      const refused: string[] = [];
      for (let index = 0; index < 5; index += 1) {
        const image = anImage({ mediaId: `b${index}`, prompt: 'x'.repeat(50_000) });
        await expect(records.accept(image, Infinity)).rejects.toMatchObject({ code: 'storage_full' });
        refused.push(image.mediaId);
      }
      expect(await records.unfinished()).toEqual(['a']);
      expect(await records.get('a')).not.toBeNull();
      await disk.empty();
      await records.check();
      for (const mediaId of refused) {
        expect(await records.accept(anImage({ mediaId }), Infinity)).toEqual({ outcome: 'accepted' });
      }
      expect(await records.unfinished()).toEqual(['a', ...refused]);
      await records.close();
      expect(integrity(path)).toBe('ok');
    } finally {
      await disk.unmount();
    }
  });

  it('rolls back when the commit fails', async () => {
    const { records: store, connection } = place.openWithConnection();
    // The trigger inserts a row that breaks a deferred foreign key, which SQLite checks at COMMIT.
    connection.exec(`
      CREATE TABLE deferred (id TEXT REFERENCES images (media_id) DEFERRABLE INITIALLY DEFERRED);
      CREATE TRIGGER break_key AFTER INSERT ON images BEGIN INSERT INTO deferred VALUES ('nowhere'); END`);
    await expect(store.accept(anImage({ mediaId: 'a' }), 1)).rejects.toThrow(/FOREIGN KEY/);
    expect(await store.get('a')).toBeNull();
    connection.exec('DROP TRIGGER break_key');
    expect(await store.accept(anImage({ mediaId: 'a' }), 1)).toEqual({ outcome: 'accepted' });
  });

  it('tells of a delivery only after its commit, so that none is sent for a write that is rolled back', async () => {
    const { records: store, connection } = place.openWithConnection();
    const request = aRequest({ webhookUrl: 'https://example.com/hook' });
    await store.accept(anImage({ mediaId: 'a', request }), 1);
    connection.exec(`
      CREATE TABLE deferred (id TEXT REFERENCES images (media_id) DEFERRABLE INITIALLY DEFERRED);
      CREATE TRIGGER break_key AFTER INSERT ON deliveries BEGIN INSERT INTO deferred VALUES ('nowhere'); END`);
    const found: Promise<unknown>[] = [];
    store.outbox.onNew(() => void found.push(store.outbox.next({ ids: [], receivers: [] }, Infinity)));
    const finish = () => store.update('a', (image) => ({ ...image, status: 'succeeded' }));
    await expect(finish()).rejects.toThrow(/FOREIGN KEY/);
    expect(found).toEqual([]);
    connection.exec('DROP TRIGGER break_key');
    await finish();
    expect(await Promise.all(found)).toEqual([expect.objectContaining({ receiver: 'example.com' })]);
  });

  it('keeps the record of an image whose file names cannot be noted for their removal', async () => {
    const { records: store, connection } = place.openWithConnection();
    const image = anImage({ mediaId: 'a' });
    await store.accept(image, 1);
    connection.exec(`CREATE TRIGGER broken BEFORE INSERT ON deletions BEGIN SELECT RAISE(ABORT, 'broken'); END`);
    await expect(store.remove('a')).rejects.toThrow('broken');
    expect(await store.get('a')).toEqual(image);
    connection.exec('DROP TRIGGER broken');
    expect(await store.remove('a')).toMatchObject({ mediaId: 'a' });
  });

  it('waits for another writer no longer than the busy timeout, and recovers', async () => {
    const { records: store } = place.openWithConnection();
    const other = new DatabaseSync(place.path());
    other.exec('BEGIN IMMEDIATE');
    const busy = { code: 'storage_unavailable', message: expect.stringContaining('locked by another program') };
    await expect(store.accept(anImage(), 1)).rejects.toMatchObject(busy);
    await expect(store.check()).rejects.toMatchObject(busy);
    expect(await store.get('image')).toBeNull();
    other.exec('ROLLBACK');
    other.close();
    expect(await store.accept(anImage(), 1)).toEqual({ outcome: 'accepted' });
  });

  it('writes after another writer that ends within the busy timeout', async () => {
    // Far longer than the other writer takes, on a busy machine too.
    const records = openSqliteRecords({ path: place.path(), derive: trivialDerive, busyTimeoutMs: LONGEST_WAIT_MS });
    onTestFinished(() => records.close());
    await records.accept(anImage({ mediaId: 'a' }), Infinity);
    const writer = place.startChild(`
      import { DatabaseSync } from 'node:sqlite';
      const other = new DatabaseSync(${JSON.stringify(place.path())});
      other.exec("BEGIN IMMEDIATE; INSERT INTO probe (id, count) VALUES (1, 1) ON CONFLICT DO UPDATE SET count = count + 1");
      process.stdout.write('writes');
      setTimeout(() => other.exec('COMMIT'), 300);`);
    await once(writer.stdout, 'data');
    // It reads before it writes: had its transaction begun with the read, it would be refused, as what it read has changed.
    const image = await records.update('a', (before) => ({ ...before, revisedPrompt: 'changed' }));
    expect(image?.revisedPrompt).toBe('changed');
  });

  it('names the file that is damaged', async () => {
    await writeFile(place.path(), 'this is no database'.repeat(1000));
    const damaged = { code: 'storage_unavailable', message: expect.stringMatching(/easel\.db is damaged/) };
    expect(() => place.open()).toThrow(expect.objectContaining(damaged));
  });

  it('names the folder that cannot be made', async () => {
    await writeFile(join(place.folder(), 'file'), '');
    const inFile = join(place.folder(), 'file', 'easel.db');
    expect(() => place.open(inFile)).toThrow(
      expect.objectContaining({ code: 'storage_unavailable', message: expect.stringContaining(inFile) }),
    );
  });

  const gone = { code: 'storage_unavailable', message: expect.stringMatching(/removed, moved or replaced/) };

  it.each<[string, (path: string) => Promise<unknown>, (path: string) => Promise<unknown>]>([
    ['moved', (path) => rename(path, `${path}.old`), (path) => rename(`${path}.old`, path)],
    [
      'replaced',
      async (path) => {
        await copyFile(path, `${path}.new`);
        await rename(path, `${path}.old`);
        await rename(`${path}.new`, path);
      },
      (path) => rename(`${path}.old`, path),
    ],
    [
      'deprived of its log',
      (path) => rename(`${path}-wal`, `${path}.old`),
      (path) => rename(`${path}.old`, `${path}-wal`),
    ],
  ])('writes nothing while its file is %s, and goes on when it is back', async (_, take, giveBack) => {
    const records = place.open();
    await records.accept(anImage({ mediaId: 'a' }), Infinity);
    await records.check();
    await take(place.path());
    const kind = { model: 'm', quality: 'auto', size: { width: 1, height: 1 } } as const;
    const writes = [
      () => records.accept(anImage({ mediaId: 'b' }), Infinity),
      () => records.update('a', (image) => ({ ...image, status: 'generating' })),
      () => records.requeue('a', 9, (image) => image),
      () => records.remove('a'),
      () => records.deletionDone('a'),
      () => records.noteUsage(kind, 1),
      () => records.saveCleanup({ ...NO_CLEANUP, time: at(0) }),
      () => records.identity(),
      () => records.check(),
    ];
    for (const write of writes) await expect(write()).rejects.toMatchObject(gone);
    await giveBack(place.path());
    expect(await records.countByStatus()).toMatchObject({ queued: 1, generating: 0 });
    expect(await records.lastCleanup()).toBeNull();
    for (const write of writes) await write();
  });

  it('writes nothing while the link that led to its file leads elsewhere', async () => {
    const link = join(place.folder(), 'link.db');
    for (const path of [place.path(), `${place.path()}2`]) await place.open(path).close();
    await symlink(place.path(), link);
    const records = place.open(link);
    await rm(link);
    await symlink(`${place.path()}2`, link);
    await expect(records.accept(anImage(), Infinity)).rejects.toMatchObject(gone);
  });

  it('writes nothing after its file was removed', async () => {
    const records = place.open();
    for (const suffix of ['', '-wal', '-shm']) await rm(`${place.path()}${suffix}`);
    await expect(records.accept(anImage(), Infinity)).rejects.toMatchObject(gone);
    await expect(records.check()).rejects.toMatchObject(gone);
  });

  it('fails its check when what every request reads is damaged', async () => {
    const store = place.open();
    await store.accept(anImage({ mediaId: 'a' }), Infinity);
    await store.close();
    const records = place.open();
    await records.check();
    const file = await open(place.path(), 'r+');
    const { size } = await file.stat();
    const database = new DatabaseSync(place.path());
    const root = (name: string) =>
      Number(database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(name)?.rootpage);
    const pages = ['images', 'images_by_age', 'images_by_idempotency_key'].map(root);
    database.close();
    expect(size).toBeGreaterThan(4096 * Math.max(...pages) - 1);
    for (const page of pages) await file.write(Buffer.alloc(4096, 0xff), 0, 4096, (page - 1) * 4096);
    await file.close();
    await records.close();
    const damaged = place.open();
    const message = expect.stringMatching(/is damaged/);
    await expect(damaged.accept(anImage({ mediaId: 'b' }), Infinity)).rejects.toMatchObject({ message });
    await expect(damaged.check()).rejects.toMatchObject({ code: 'storage_unavailable', message });
  });

  it('leaves no trace of its check', async () => {
    const records = place.open();
    await records.accept(anImage({ mediaId: 'a' }), Infinity);
    await records.check();
    expect(await records.countByStatus()).toMatchObject({ queued: 1 });
    expect(await records.unfinished()).toEqual(['a']);
    expect((await records.list({ limit: 9, owner: null })).items).toHaveLength(1);
  });

  it('lets the process go on while another program holds its lock, and its check does not wait as long as a write', async () => {
    // A call that waited for so long, or held up the process, would outlast the test.
    const records = openSqliteRecords({
      path: place.path(),
      derive: trivialDerive,
      busyTimeoutMs: 10 * LONGEST_WAIT_MS,
    });
    onTestFinished(() => records.close());
    await records.accept(anImage({ mediaId: 'a' }), Infinity);
    const other = new DatabaseSync(place.path());
    other.exec('BEGIN IMMEDIATE');
    onTestFinished(() => other.close());
    const writes = Array.from({ length: 5 }, () => records.update('a', (image) => ({ ...image, run: image.run + 1 })));
    await expect(records.check()).rejects.toMatchObject({ message: expect.stringContaining('locked by another') });
    other.exec('COMMIT');
    await Promise.all(writes);
    expect((await records.get('a'))?.run).toBe(6);
  });

  it('cuts its log again when a reader that had held it up is gone', async () => {
    const records = place.open();
    await records.accept(anImage({ mediaId: 'a' }), Infinity);
    const reader = new DatabaseSync(place.path());
    onTestFinished(() => reader.close());
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM images').get();
    const write = (n: number) => records.update('a', (image) => ({ ...image, prompt: String(n).repeat(1_000_000) }));
    for (let n = 0; n < 10; n += 1) await write(n);
    const size = async () => (await stat(`${place.path()}-wal`)).size;
    expect(await size()).toBeGreaterThan(9_000_000);
    reader.exec('COMMIT');
    // The first ends the log with a checkpoint, the second begins it anew.
    for (let n = 0; n < 2; n += 1) await write(n);
    expect(await size()).toBeLessThan(6_000_000);
  });
});

const NO_CLEANUP = {
  deleted: 0,
  freedBytes: 0,
  kept: 0,
  orphansRemoved: 0,
  missingFiles: 0,
  missingFilesOf: [],
  foreignFiles: 0,
  failures: 0,
  failuresOf: [],
  dryRun: false,
  durationMs: 0,
};
