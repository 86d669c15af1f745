import { randomUUID } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteSource } from '../../../src/adapters/records/sqlite/source.ts';
import { createS3Store } from '../../../src/adapters/storage/s3/store.ts';
import { migrateInstallation } from '../../../src/composition/migrate/installation.ts';
import { openCluster } from '../../../src/composition/stores/cluster.ts';
import { readConfig } from '../../../src/config/config.ts';
import { trivialDerive } from '../../contracts/record-store/trivial-derive.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { type S3Server, startS3Server } from '../../support/s3/server.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts';
import { createTestClock } from '../../support/test-clock.ts';
import {
  contentOf,
  copyInstallation,
  type Installation,
  makeInstallation,
  postgresContents,
  sha256,
  sqliteContents,
} from './installation.ts';

let folder: TemporaryFolder;
let shelf: TemporaryFolder;
/** As it is made; each test has a copy. */
let original: Installation;
let source: Installation;
let target: TestDatabase;
let pictures: string;
let s3: S3Server;

beforeAll(async () => {
  s3 = await startS3Server();
  shelf = await temporaryFolder();
  original = await makeInstallation(shelf.path, 5);
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  await shelf[Symbol.asyncDispose]();
});

beforeEach(async () => {
  folder = await temporaryFolder();
  source = await copyInstallation(original, shelf.path, join(folder.path, 'source'));
  target = await createTestDatabase();
  pictures = join(folder.path, 'pictures');
});
afterEach(async () => {
  await target.drop();
  await folder[Symbol.asyncDispose]();
});

/** Of a server in the environment, whose credentials are there too. */
const NO_CREDENTIALS = { accessKeyId: '', secretAccessKey: '' };

const migrate = (options: Partial<Parameters<typeof migrateInstallation>[0]> = {}, env = {}) =>
  migrateInstallation({ ...source.from, to: target.url, mediaTo: pictures, ...options }, env);
const imagesInTarget = async () => (await target.query('SELECT media_id FROM easel.images ORDER BY 1')).length;

describe('moves', () => {
  it('every record and every file, leaves the source as it is, and writes nothing the second time', async () => {
    const before = sha256(await readFile(source.database));
    const { images, files } = source;
    expect(await migrate()).toMatchObject({ images, added: images, files: files.size, copied: files.size, faults: [] });
    expect(sha256(await readFile(source.database))).toBe(before);
    for (const [name, content] of files) expect(await readFile(join(pictures, name), 'utf8')).toBe(content);
    expect(await postgresContents(target.url)).toEqual(await sqliteContents(source.database));

    expect(await target.query('SELECT name, value FROM easel.secrets')).toEqual([
      { name: 'webhook-secret', value: 'whsec_c2VjcmV0' },
    ]);

    const rows = await everyRow();
    const { mtimeMs } = await stat(join(pictures, 'picture-0000.png'));
    const again = await migrate();
    expect(again).toMatchObject({ images, added: 0, files: files.size, copied: 0, changedSince: 0, faults: [] });
    expect(again.movedBefore).not.toBeNull();
    expect(await everyRow()).toEqual(rows);
    expect((await stat(join(pictures, 'picture-0000.png'))).mtimeMs).toBe(mtimeMs);
  });

  it('into a bucket, below a prefix', async () => {
    const { endpoint, bucket, region, prefix, credentials = NO_CREDENTIALS } = s3.place();
    const env = {
      S3_ENDPOINT: endpoint,
      S3_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    };
    process.env.AWS_ACCESS_KEY_ID = credentials.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = credentials.secretAccessKey;
    const mediaTo = `s3://${bucket}/${prefix}`;
    expect(await migrate({ mediaTo }, env)).toMatchObject({ copied: source.files.size, faults: [] });
    const store = createS3Store({ endpoint, bucket, region, prefix, credentials });
    for (const [name, content] of source.files) expect(String(await store.read(name))).toBe(content);
    store.close();
    expect(await migrate({ mediaTo }, env)).toMatchObject({ copied: 0, faults: [] });
  });

  it('records alone, where the pictures stay in their folder', async () => {
    expect(await migrate({ mediaTo: source.media })).toMatchObject({ copied: 0, files: source.files.size, faults: [] });
    expect(await imagesInTarget()).toBe(source.images);
  });

  it('a file again that the target has lost or damaged', async () => {
    await migrate();
    await rm(join(pictures, 'picture-0001.png'));
    await writeFile(join(pictures, 'picture-0002.png'), 'damaged');
    expect(await migrate()).toMatchObject({ copied: 2, added: 0, faults: [] });
    expect(await readFile(join(pictures, 'picture-0002.png'), 'utf8')).toBe(contentOf('picture-0002.png'));
  });
});

describe('names', () => {
  it('every file that is missing or has another hash, and moves the rest', async () => {
    await rm(join(source.media, 'picture-0001.png'));
    await writeFile(join(source.media, 'originals/picture-0002~1'), 'damaged');
    const { faults, copied, images } = await migrate();
    expect(faults).toEqual([
      `${join(source.media, 'picture-0001.png')} is missing`,
      expect.stringContaining(`${join(source.media, 'originals/picture-0002~1')} has the SHA-256 ${sha256('damaged')}`),
    ]);
    expect([copied, images]).toEqual([source.files.size - 2, source.images]);
    expect((await migrate()).faults).toEqual(faults);
  });

  it('every record that is damaged, and moves the rest', async () => {
    const database = new DatabaseSync(source.database);
    database.exec(`DROP INDEX images_pending; UPDATE images SET document = '{' WHERE media_id = 'picture-0003'`);
    database.close();
    const { faults, images } = await migrate();
    expect(faults).toEqual(['the record of picture-0003 is damaged and was not moved']);
    expect(images).toBe(source.images - 1);
  });
});

describe('refuses', () => {
  const refused = async (work: Promise<unknown>, message: RegExp | string) => {
    await expect(work).rejects.toThrow(message);
    expect(await target.query(`SELECT to_regclass('easel.images') IS NULL AS untouched`)).toEqual([
      { untouched: true },
    ]);
  };

  it('a source that runs', async () => {
    const running = openSqliteSource(source.database);
    await refused(migrate(), /another Easel process/);
    running.close();
  });

  it('pictures of another database, at the source and at the target', async () => {
    const other = await makeInstallation(join(folder.path, 'other'), 1);
    await refused(migrate({ mediaFrom: other.media }), /--media-from: these are the pictures of another database/);
    await refused(migrate({ mediaTo: other.media }), /--media-to: these are the pictures of another database/);
    await rm(join(other.media, '.easel'));
    await refused(migrate({ mediaTo: other.media }), /--media-to: there are pictures already/);
  });

  it('a database that has other records, or belongs to a cluster', async () => {
    const other = await makeInstallation(join(folder.path, 'other'), 1);
    await migrate({ ...other.from, mediaTo: other.media });
    await expect(migrate()).rejects.toThrow(/in use as that of another installation/);
    await target.query('DELETE FROM easel.identity');
    await target.query('DELETE FROM easel.import');
    await expect(migrate()).rejects.toThrow(/has records already/);
    expect(await imagesInTarget()).toBe(other.images);
  });

  it('a source of an older Easel, or of a newer one', async () => {
    const set = (version: number) => {
      const database = new DatabaseSync(source.database);
      database.exec(`PRAGMA user_version = ${version}`);
      database.close();
    };
    set(3);
    await refused(migrate(), /is of an older Easel, or new: start this Easel with it once/);
    set(999);
    await refused(migrate(), /has schema 999 and this Easel knows up to/);
  });

  it('a source that is not there', async () => {
    await refused(migrate({ mediaFrom: '/not/there' }), '--media-from: there is no folder /not/there');
    await refused(migrate({ from: 'sqlite:/not/there' }), 'there is no database /not/there');
  });
});

it('keeps a replica from starting on a database until everything is moved', async () => {
  await migrate();
  await using opened = new AsyncDisposableStack();
  const parts = {
    derive: trivialDerive,
    instance: randomUUID(),
    clock: createTestClock(),
    log: pino({ level: 'silent' }),
  };
  const settings = { kind: 'postgres', url: target.url, poolSize: 2 } as const;
  await target.query('UPDATE easel.import SET finished_at = NULL');
  await expect(openCluster(readConfig({}), settings, parts, opened)).rejects.toThrow(
    /run easel migrate to its end first/,
  );
});

it('adds no record to a target that has lived on since, and says how many have changed', async () => {
  await migrate();
  await target.query(`DELETE FROM easel.images WHERE media_id = 'picture-0001'`);
  await target.query(`DELETE FROM easel.deliveries`);
  await rm(join(pictures, 'picture-0001.png'));
  const again = await migrate();
  expect(again).toMatchObject({ added: 0, copied: 0, changedSince: 1, images: source.images - 1, faults: [] });
  expect(await imagesInTarget()).toBe(source.images - 1);
  expect(await target.query('SELECT id FROM easel.deliveries')).toEqual([]);
  await expect(readFile(join(pictures, 'picture-0001.png'))).rejects.toThrow('ENOENT');
});

/** Every row of the target with the transaction that wrote it. */
async function everyRow(): Promise<unknown> {
  const tables = await target.query(
    `SELECT table_name FROM information_schema.tables WHERE table_schema = 'easel' ORDER BY 1`,
  );
  const rows = tables.map(({ table_name }) =>
    target.query(`SELECT xmin::text, t::text FROM easel.${table_name} t ORDER BY 2`),
  );
  return await Promise.all(rows);
}
