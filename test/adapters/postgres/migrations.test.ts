import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPostgres, type PostgresDatabase } from '../../../src/adapters/postgres/database.ts';
import {
  MIGRATIONS,
  migrate,
  NewerSchemaError,
  SCHEMA_VERSION,
} from '../../../src/adapters/postgres/schema/migrations.ts';
import { openPostgresRecords } from '../../../src/adapters/records/postgres/records.ts';
import { anImage, aRequest } from '../../contracts/record-store/example-images.ts';
import { trivialDerive } from '../../contracts/record-store/trivial-derive.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';

const log = pino({ level: 'silent' });

describe('migrations', () => {
  let test: TestDatabase;
  let replicas: PostgresDatabase[];
  beforeEach(async () => {
    test = await createTestDatabase();
    replicas = [];
  });
  afterEach(async () => {
    await Promise.all(replicas.map((database) => database.close()));
    await test.drop();
  });

  const replica = () => {
    const database = openPostgres({ url: test.url, poolSize: 2, applicationName: 'easel test', log });
    replicas.push(database);
    return database;
  };
  const records = (database: PostgresDatabase) =>
    openPostgresRecords({ database, session: { listen: async () => () => undefined }, derive: trivialDerive });
  const numbers = async () =>
    (await test.query('SELECT number FROM easel.migrations ORDER BY number')).map(({ number }) => number);
  const all = MIGRATIONS.map((_, index) => index + 1);

  const adding = { sql: 'ALTER TABLE easel.images ADD COLUMN note text', raises: false };
  const breaking = { sql: 'ALTER TABLE easel.images RENAME COLUMN document TO record', raises: true };

  it('are done once, of four replicas that start at once, on an empty database', async () => {
    const before = await Promise.all([1, 2, 3, 4].map(() => migrate(replica())));
    expect(before.toSorted()).toEqual([0, ...[1, 2, 3].map(() => MIGRATIONS.length)]);
    expect(await numbers()).toEqual(all);
  });

  it('that only add are done from an older schema, by one of several, and the older version runs beside the newer', async () => {
    const older = replica();
    await migrate(older);
    const olderRecords = await records(older);
    await olderRecords.accept(anImage({ mediaId: 'a' }), 9);
    const newer = [replica(), replica()];
    const before = await Promise.all(newer.map((database) => migrate(database, [...MIGRATIONS, adding])));
    expect(before.toSorted()).toEqual([MIGRATIONS.length, MIGRATIONS.length + 1]);
    expect(await numbers()).toEqual([...all, MIGRATIONS.length + 1]);

    // Both write, and an older one may start anew.
    const newerRecords = await records(newer[0] as PostgresDatabase);
    await newerRecords.update('a', (image) => ({ ...image, run: 2 }));
    await olderRecords.update('a', (image) => ({ ...image, run: image.run + 1 }));
    await olderRecords.accept(anImage({ mediaId: 'b' }), 9);
    expect(await newerRecords.get('a')).toMatchObject({ run: 3 });
    expect(await newerRecords.countByStatus()).toMatchObject({ queued: 2 });
    expect(await migrate(replica())).toBe(MIGRATIONS.length + 1);
    expect((await test.query('SELECT version FROM easel.schema_version'))[0]?.version).toBe(SCHEMA_VERSION);
  });

  it('that add the search find older images by their records, and count the labels that an older version writes', async () => {
    const older = replica();
    await migrate(older, MIGRATIONS.slice(0, 1));
    const olderInsert = (mediaId: string) => {
      const image = anImage({ mediaId, request: aRequest({ prompt: 'Straße', preset: 'icon@2', labels: ['x'] }) });
      return test.query(
        `WITH image AS (
          INSERT INTO easel.images (media_id, owner, status, created_at, requested_at, has_pending, document)
          VALUES ($1, 'anonymous', 'queued', $2, $2, false, $3))
        INSERT INTO easel.labels VALUES ($1, 'x', 'anonymous', 'queued', $2)`,
        [mediaId, Date.parse(image.createdAt), JSON.stringify(image)],
      );
    };
    await olderInsert('a');
    const newer = replica();
    await migrate(newer);
    await olderInsert('b');
    const store = await records(newer);
    const kept = async () =>
      (await test.query('SELECT media_id FROM easel.search ORDER BY 1')).map(({ media_id }) => media_id);
    expect(await store.labels(null, 9)).toEqual([{ label: 'x', images: 2 }]);
    expect(await kept()).toEqual([]);
    const found = await store.list({ q: 'STRASSE', preset: 'icon', owner: null, limit: 9 });
    expect(found.items.map(({ mediaId }) => mediaId)).toEqual(['b', 'a']);
    expect(await kept()).toEqual(['a', 'b']);
    // As an older version removes an image.
    await test.query("DELETE FROM easel.images WHERE media_id = 'b'");
    await test.query("DELETE FROM easel.labels WHERE media_id = 'b'");
    expect(await kept()).toEqual(['a']);
    expect(await store.labels('anonymous', 9)).toEqual([{ label: 'x', images: 1 }]);
  });

  it('that raise the version keep an older one out, and leave nothing half done', async () => {
    await migrate(replica());
    const failing = { sql: `${breaking.sql}; SELECT 1 / 0`, raises: true };
    await expect(migrate(replica(), [...MIGRATIONS, adding, failing])).rejects.toThrow('division by zero');
    expect(await numbers()).toEqual(all);
    await migrate(replica(), [...MIGRATIONS, adding, breaking]);
    expect(await numbers()).toEqual([...all, MIGRATIONS.length + 1, MIGRATIONS.length + 2]);
    await expect(migrate(replica())).rejects.toThrow(NewerSchemaError);
    await expect(migrate(replica())).rejects.toThrow(
      `schema ${MIGRATIONS.length + 2} of a newer Easel, and this one knows ${SCHEMA_VERSION}`,
    );
  });
});
