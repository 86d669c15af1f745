import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RecordStore } from '../../src/images/ports.ts';
import { openSqliteRecords } from '../../src/records/sqlite.ts';
import { DatabaseInUseError } from '../../src/records/sqlite-lock.ts';
import { SCHEMA_VERSION } from '../../src/records/sqlite-schema.ts';
import { anAttempt, anImage, aRequest, at, describeRecordStore, ms } from '../contracts/record-store.ts';
import { canMountTmpfs, mountTmpfs } from '../support/tmpfs.ts';

describeRecordStore('SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'easel-records-'));
  return {
    open: async () => openSqliteRecords({ path: join(folder, 'deep', 'er', 'easel.db') }),
    dispose: () => rm(folder, { recursive: true }),
  };
});

describe('openSqliteRecords', () => {
  let folder: string;
  let path: string;
  let records: RecordStore | undefined;
  let children: ChildProcessByStdio<null, Readable, null>[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'easel-sqlite-'));
    path = join(folder, 'easel.db');
    records = undefined;
    children = [];
  });

  afterEach(async () => {
    vi.restoreAllMocks();
    await records?.close();
    await Promise.all(children.map(stopped));
    await rm(folder, { recursive: true });
  });

  /** Opens the records and gives the connection they use, for a look at what only it knows. */
  const openWithConnection = (): { records: RecordStore; connection: DatabaseSync } => {
    const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
    records = openSqliteRecords({ path, busyTimeoutMs: 20 });
    const connection = prepare.mock.contexts.find((one) => (one as DatabaseSync).location() === path);
    prepare.mockRestore();
    expect(connection).toBeInstanceOf(DatabaseSync);
    return { records, connection: connection as DatabaseSync };
  };

  const startChild = (script: string): ChildProcessByStdio<null, Readable, null> => {
    const module = new URL('../../src/records/sqlite.ts', import.meta.url).href;
    const code = `import { openSqliteRecords } from ${JSON.stringify(module)};
      const path = ${JSON.stringify(path)};
      ${script}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    return child;
  };

  describe('durability', () => {
    it('syncs every commit, writes ahead, and keeps foreign keys', () => {
      const { connection } = openWithConnection();
      const pragma = (name: string) => Object.values(connection.prepare(`PRAGMA ${name}`).get() ?? {})[0];
      expect(pragma('journal_mode')).toBe('wal');
      expect(pragma('synchronous')).toBe(2);
      expect(pragma('foreign_keys')).toBe(1);
    });

    it('has everything that was accepted before a SIGKILL, and a sound file', async () => {
      const accepted: string[] = [];
      for (let round = 0; round < 2; round += 1) {
        const child = startChild(`
          const records = openSqliteRecords({ path });
          const image = ${JSON.stringify(anImage())};
          for (let index = 0; ; index += 1) {
            const mediaId = 'r${round}-' + index;
            await records.accept({ ...image, mediaId }, Infinity);
            await records.update(mediaId, (stored) => ({ ...stored, status: 'generating' }));
            process.stdout.write(mediaId + '\\n');
          }`);
        const enough = accepted.length + 40 + round;
        for await (const line of createInterface({ input: child.stdout })) {
          accepted.push(line);
          if (accepted.length === enough) child.kill('SIGKILL');
        }
        await stopped(child);
      }
      records = openSqliteRecords({ path });
      const kept = new Set(await records.unfinished());
      expect(accepted.filter((mediaId) => !kept.has(mediaId))).toEqual([]);
      expect(integrity(path)).toBe('ok');
    });
  });

  describe('one process at a time', () => {
    it('refuses a second one in the same process, and lets it in after close', async () => {
      records = openSqliteRecords({ path });
      const refused = () => openSqliteRecords({ path });
      expect(refused).toThrow(DatabaseInUseError);
      expect(refused).toThrow(`another Easel process (pid ${process.pid}`);
      expect(refused).toThrow(path);
      await records.close();
      records = openSqliteRecords({ path });
      await records.check();
    });

    it('refuses one that comes by another path to the same file', async () => {
      records = openSqliteRecords({ path });
      await symlink(path, join(folder, 'link.db'));
      expect(() => openSqliteRecords({ path: join(folder, 'link.db') })).toThrow(DatabaseInUseError);
    });

    it('lets readers read and a backup be taken', async () => {
      records = openSqliteRecords({ path });
      await records.accept(anImage({ mediaId: 'a' }), 1);
      const reader = new DatabaseSync(path, { readOnly: true });
      expect(reader.prepare('SELECT media_id FROM images').all()).toMatchObject([{ media_id: 'a' }]);
      const copy = join(folder, 'copy.db');
      reader.prepare('VACUUM INTO ?').run(copy);
      reader.close();
      expect(integrity(copy)).toBe('ok');
    });

    it('names the other process, and follows it at once when that is killed', async () => {
      const child = startChild(`
        globalThis.records = openSqliteRecords({ path });
        process.stdout.write('open\\n');
        setInterval(() => {}, 1000);`);
      await once(child.stdout, 'data');
      expect(() => openSqliteRecords({ path })).toThrow(`pid ${child.pid} on `);
      child.kill('SIGKILL');
      await stopped(child);
      records = openSqliteRecords({ path });
      await records.check();
    });

    it('keeps the other process out', async () => {
      records = openSqliteRecords({ path });
      const child = startChild(`
        try {
          openSqliteRecords({ path });
          process.stdout.write('opened');
        } catch (error) {
          process.stdout.write(error.name + ': ' + error.message);
        }`);
      const [said] = await once(child.stdout, 'data');
      expect(String(said)).toContain(`DatabaseInUseError: another Easel process (pid ${process.pid} on `);
    });
  });

  describe('schema', () => {
    it('is left alone when a newer Easel wrote it', async () => {
      await openSqliteRecords({ path }).close();
      execute(path, 'PRAGMA user_version = 99');
      expect(() => openSqliteRecords({ path })).toThrow(/has schema 99/);
      // The refusal lets go of the file.
      execute(path, `PRAGMA user_version = ${SCHEMA_VERSION}`);
      records = openSqliteRecords({ path });
    });

    it('brings records from before the books along: the last attempt bears the cost, and nothing is held back', async () => {
      records = openSqliteRecords({ path });
      const cost = { usd: 0.03, basis: 'usage' } as const;
      const spent = anImage({ mediaId: 'a', model: 'm', cost, attempts: [anAttempt('t1'), anAttempt('t2')] });
      for (const image of [spent, anImage({ mediaId: 'b' })]) await records.accept(image, Infinity);
      await records.close();
      execute(
        path,
        `DROP TABLE spending; DROP INDEX images_pending; DROP TABLE deliveries; PRAGMA user_version = 2;
        UPDATE images SET document = json_remove(document, '$.estimate', '$.attempts[0].model', '$.attempts[0].cost',
          '$.attempts[1].model', '$.attempts[1].cost')`,
      );
      records = openSqliteRecords({ path });
      const nothing = { usd: 0, basis: 'usage' };
      expect(await records.get('a')).toEqual({
        ...spent,
        attempts: [
          { ...anAttempt('t1'), model: 'm', cost: nothing },
          { ...anAttempt('t2'), model: 'm', cost },
        ],
      });
      expect(await records.get('b')).toEqual(anImage({ mediaId: 'b' }));
    });

    it('brings images that were written before renditions could be pending up to date', async () => {
      const store = openSqliteRecords({ path });
      await store.accept(anImage({ mediaId: 'old' }), Infinity);
      await store.close();
      execute(
        path,
        `DROP INDEX images_pending;
         DROP TABLE deliveries;
         UPDATE images SET document = json_remove(document, '$.pending', '$.dominantColour');
         PRAGMA user_version = 3`,
      );
      records = openSqliteRecords({ path });
      expect(await records.get('old')).toMatchObject({ pending: [], dominantColour: null });
    });

    it('has a report of the time before missing files were looked for say that none were found', async () => {
      records = openSqliteRecords({ path });
      execute(path, `INSERT INTO last_cleanup (id, report) VALUES (1, '{"deleted":1,"time":"${at(1)}"}')`);
      expect(await records.lastCleanup()).toEqual({ deleted: 1, missingFiles: 0, missingFilesOf: [], time: at(1) });
    });

    it('is made whole or not at all', async () => {
      execute(path, 'CREATE TABLE probe (surprise TEXT)');
      expect(() => openSqliteRecords({ path })).toThrow(/probe already exists/);
      execute(path, 'DROP TABLE probe');
      records = openSqliteRecords({ path });
      await records.check();
    });
  });

  /** Every statement that `use` runs, with the plan SQLite makes for it. */
  const plansOf = async (use: (records: RecordStore) => Promise<unknown>) => {
    const { records: store, connection } = openWithConnection();
    const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
    await use(store);
    const statements = prepare.mock.calls.map(([text]) => text);
    prepare.mockRestore();
    expect(statements.length).toBeGreaterThan(0);
    return statements.map((text) => ({
      text,
      plan: connection
        .prepare(`EXPLAIN QUERY PLAN ${text}`)
        .all()
        .map(({ detail }) => String(detail)),
    }));
  };

  describe('cost', () => {
    const everything = { limit: 10, owner: null };
    const filtered = { limit: 10, owner: 'anna', status: 'failed' } as const;
    const cursor = Buffer.from('[1,"a"]').toString('base64url');
    const retention = { now: ms(0), createdBefore: ms(0), status: null, limit: 10, after: null };

    it.each<[string, (store: RecordStore) => Promise<unknown>]>([
      ['the list from a cursor', (store) => store.list({ ...everything, cursor })],
      ['the list by status', (store) => store.list({ ...everything, status: 'failed', cursor })],
      ['the list by owner', (store) => store.list({ ...everything, owner: 'anna', cursor })],
      ['the list by label', (store) => store.list({ ...everything, label: 'red', cursor })],
      ['the list by label, status and owner', (store) => store.list({ ...filtered, label: 'red', cursor })],
      ['the list by status and owner', (store) => store.list(filtered)],
      ['the list by time', (store) => store.list({ ...everything, createdAfter: at(0), createdBefore: at(1) })],
      ['accepting', (store) => store.accept(anImage({ idempotencyKey: 'key' }), 1)],
      ['accepting again', (store) => store.acceptAgain('image', 1, (image) => image)],
      ['finding by key', (store) => store.findByKey('anna', 'key')],
      ['updating', (store) => store.update('image', (image) => image)],
      ['removing', (store) => store.remove('image')],
      ['expiry', (store) => store.expired(retention)],
      ['ownership', (store) => store.ownedNames(['image.png'])],
      ['counts', async (store) => [await store.countByStatus(), await store.mediaBytes()]],
    ])('of %s does not grow with the images that are kept', async (_, use) => {
      for (const { text, plan } of await plansOf(use)) {
        for (const step of plan) {
          expect(step, text).not.toMatch(/^SCAN (images|labels|deletions)/);
          if (!text.includes('expires_at <= ?')) expect(step, text).not.toContain('TEMP B-TREE');
        }
      }
    });

    it('of the whole list is bounded by the page, which an index gives in its order', async () => {
      const [list] = await plansOf((store) => store.list(everything));
      expect(list?.plan).toEqual(['SCAN images USING INDEX images_by_age']);
    });

    it('of expiry is bounded by what has expired, which alone is sorted', async () => {
      const plans = await plansOf((store) => store.expired(retention));
      const [own, aged] = plans.filter(({ text }) => text.includes('images_by_expiry')).map(({ plan }) => plan);
      expect(own).toEqual([
        'SEARCH images USING COVERING INDEX images_by_expiry (status=? AND expires_at<?)',
        'USE TEMP B-TREE FOR ORDER BY',
      ]);
      expect(aged).toEqual([
        expect.stringMatching(
          /^SEARCH images USING COVERING INDEX images_by_expiry \(status=\? AND expires_at=\? AND /,
        ),
      ]);
    });

    it('of the jobs is bounded by the jobs', async () => {
      const plans = await plansOf((store) => store.unfinished());
      expect(plans.map(({ plan }) => plan)).toEqual([
        ['SCAN images USING INDEX images_unfinished'],
        ['SCAN images USING INDEX images_pending'],
      ]);
    });
  });

  describe('faults', () => {
    it('reports a database that is full, keeps what it has, and goes on when there is room', async () => {
      const { records: store, connection } = openWithConnection();
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

    it.runIf(canMountTmpfs)('survives a disk that is full for real (needs the right to mount)', async () => {
      const disk = await mountTmpfs(join(folder, 'disk'), '2m');
      try {
        path = join(disk.path, 'easel.db');
        records = openSqliteRecords({ path });
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
      const { records: store, connection } = openWithConnection();
      // The trigger leaves a row that points nowhere, which SQLite finds out at COMMIT.
      connection.exec(`
        CREATE TABLE late (id TEXT REFERENCES images (media_id) DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER spoil AFTER INSERT ON images BEGIN INSERT INTO late VALUES ('nowhere'); END`);
      await expect(store.accept(anImage({ mediaId: 'a' }), 1)).rejects.toThrow(/FOREIGN KEY/);
      expect(connection.isTransaction).toBe(false);
      expect(await store.get('a')).toBeNull();
      connection.exec('DROP TRIGGER spoil');
      expect(await store.accept(anImage({ mediaId: 'a' }), 1)).toEqual({ outcome: 'accepted' });
    });

    it('waits for another writer no longer than it was told, and recovers', async () => {
      const { records: store } = openWithConnection();
      const other = new DatabaseSync(path);
      other.exec('BEGIN IMMEDIATE');
      const busy = { code: 'storage_unavailable', message: expect.stringContaining('locked by another program') };
      await expect(store.accept(anImage(), 1)).rejects.toMatchObject(busy);
      await expect(store.check()).rejects.toMatchObject(busy);
      expect(await store.get('image')).toBeNull();
      other.exec('ROLLBACK');
      other.close();
      expect(await store.accept(anImage(), 1)).toEqual({ outcome: 'accepted' });
    });

    it('says which file is damaged', async () => {
      await writeFile(path, 'this is no database'.repeat(1000));
      const damaged = { code: 'storage_unavailable', message: expect.stringMatching(/easel\.db is damaged/) };
      expect(() => openSqliteRecords({ path })).toThrow(expect.objectContaining(damaged));
    });

    it('says which folder cannot be made', async () => {
      await writeFile(join(folder, 'file'), '');
      const inFile = join(folder, 'file', 'easel.db');
      expect(() => openSqliteRecords({ path: inFile })).toThrow(
        expect.objectContaining({ code: 'storage_unavailable', message: expect.stringContaining(inFile) }),
      );
    });

    it('notices when its file was moved away', async () => {
      records = openSqliteRecords({ path });
      await records.check();
      await rename(path, `${path}.old`);
      await expect(records.check()).rejects.toMatchObject({ code: 'storage_unavailable' });
      await rename(`${path}.old`, path);
      await records.check();
    });
  });

  it('keeps its lock in a file of its own beside the database', () => {
    records = openSqliteRecords({ path });
    expect(existsSync(`${path}.lock`)).toBe(true);
  });
});

async function stopped(child: ChildProcessByStdio<null, Readable, null>): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

function execute(path: string, statement: string): void {
  const database = new DatabaseSync(path);
  database.exec(statement);
  database.close();
}

function integrity(path: string): unknown {
  const database = new DatabaseSync(path);
  const row = database.prepare('PRAGMA integrity_check').get();
  database.close();
  return row?.integrity_check;
}
