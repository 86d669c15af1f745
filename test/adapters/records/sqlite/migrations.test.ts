import { describe, expect, it } from 'vitest';
import { SCHEMA_VERSION } from '../../../../src/adapters/records/sqlite/migrations.ts';
import { anAttempt, anImage, at } from '../../../contracts/record-store/example-images.ts';
import { execute, makePlaceForEach } from './fixture.ts';

const place = makePlaceForEach();

describe('the schema', () => {
  it('is refused, and left alone, when a newer Easel wrote it', async () => {
    await place.open().close();
    execute(place.path(), 'PRAGMA user_version = 99');
    expect(() => place.open()).toThrow(/has schema 99/);
    // The refusal releases the lock.
    execute(place.path(), `PRAGMA user_version = ${SCHEMA_VERSION}`);
    place.open();
  });

  it('migrates records from before the ledger: the last attempt bears the cost, and nothing is reserved', async () => {
    const older = place.open();
    const cost = { usd: 0.03, basis: 'usage' } as const;
    const spent = anImage({ mediaId: 'a', model: 'm', cost, attempts: [anAttempt('t1'), anAttempt('t2')] });
    for (const image of [spent, anImage({ mediaId: 'b' })]) await older.accept(image, Infinity);
    await older.close();
    execute(
      place.path(),
      `DROP TABLE spending; DROP INDEX images_pending; DROP TABLE deliveries; PRAGMA user_version = 2;
      UPDATE images SET document = json_remove(document, '$.estimate', '$.attempts[0].model', '$.attempts[0].cost',
        '$.attempts[1].model', '$.attempts[1].cost')`,
    );
    const records = place.open();
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

  it('migrates images from before renditions could be pending', async () => {
    const store = place.open();
    await store.accept(anImage({ mediaId: 'old' }), Infinity);
    await store.close();
    execute(
      place.path(),
      `DROP INDEX images_pending;
       DROP TABLE deliveries;
       UPDATE images SET document = json_remove(document, '$.pending', '$.dominantColour');
       PRAGMA user_version = 3`,
    );
    const records = place.open();
    expect(await records.get('old')).toMatchObject({ pending: [], dominantColour: null });
  });

  it('reads a cleanup report from before the search for missing files as one that found none', async () => {
    const records = place.open();
    execute(place.path(), `INSERT INTO last_cleanup (id, report) VALUES (1, '{"deleted":1,"time":"${at(1)}"}')`);
    expect(await records.lastCleanup()).toEqual({ deleted: 1, missingFiles: 0, missingFilesOf: [], time: at(1) });
  });

  it('is migrated in one transaction', async () => {
    execute(place.path(), 'CREATE TABLE probe (surprise TEXT)');
    expect(() => place.open()).toThrow(/probe already exists/);
    execute(place.path(), 'DROP TABLE probe');
    await place.open().check();
  });
});
