import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openSqliteRecords } from '../../../../src/adapters/records/sqlite/records.ts';
import { anImage, aRequest } from '../../../contracts/record-store/example-images.ts';
import { trivialDerive } from '../../../contracts/record-store/trivial-derive.ts';
import { canMountTmpfs, mountTmpfs } from '../../../support/tmpfs.ts';
import { integrity, makePlaceForEach } from './fixture.ts';

const place = makePlaceForEach();

describe('faults', () => {
  it('reports a full database, keeps what it has, and works again when there is space', async () => {
    const { records: store, connection } = place.openWithConnection();
    await store.accept(anImage({ mediaId: 'a' }), Infinity);
    const pages = Number(connection.prepare('PRAGMA page_count').get()?.page_count);
    connection.exec(`PRAGMA max_page_count = ${pages}`);
    const large = anImage({ mediaId: 'b', prompt: 'x'.repeat(100_000), request: aRequest({ labels: ['red'] }) });
    await expect(store.accept(large, Infinity)).rejects.toMatchObject({ code: 'storage_full' });
    await expect(store.update('a', () => ({ ...large, mediaId: 'a' }))).rejects.toMatchObject({
      code: 'storage_full',
    });
    expect(await store.get('a')).toMatchObject({ mediaId: 'a', prompt: anImage().prompt });
    expect(await store.unfinished()).toEqual(['a']);
    connection.exec('PRAGMA max_page_count = 1000000');
    expect(await store.accept(large, Infinity)).toEqual({ outcome: 'accepted' });
    expect(await store.countByStatus()).toMatchObject({ queued: 2 });
  });

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
    expect(connection.isTransaction).toBe(false);
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
    expect(await Promise.all(found)).toEqual([null]);
    connection.exec('DROP TRIGGER break_key');
    await finish();
    expect(await Promise.all(found)).toEqual([null, expect.objectContaining({ receiver: 'example.com' })]);
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
    const records = openSqliteRecords({ path: place.path(), derive: trivialDerive, busyTimeoutMs: 15_000 });
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

  it('fails its check while its file is moved away', async () => {
    const records = place.open();
    await records.check();
    await rename(place.path(), `${place.path()}.old`);
    await expect(records.check()).rejects.toMatchObject({ code: 'storage_unavailable' });
    await rename(`${place.path()}.old`, place.path());
    await records.check();
  });
});
