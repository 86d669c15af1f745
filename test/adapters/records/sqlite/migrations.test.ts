import { describe, expect, it } from 'vitest';
import { SCHEMA_VERSION } from '../../../../src/adapters/records/sqlite/schema/migrations.ts';
import { StorageSetupError } from '../../../../src/core/domain/errors.ts';
import type { AttemptOutcome, Image } from '../../../../src/core/domain/image.ts';
import type { Cost } from '../../../../src/core/domain/money.ts';
import type { ListQuery } from '../../../../src/core/ports/record-store.ts';
import { anAttempt, anImage, aRequest, at, ms } from '../../../contracts/record-store/example-images.ts';
import { downgrade } from './downgrade.ts';
import { damage, execute, makePlaceForEach } from './fixture.ts';

const place = makePlaceForEach();

describe('the schema', () => {
  it('is refused, and left alone, when a newer Easel wrote it', async () => {
    await place.open().close();
    execute(place.path(), 'PRAGMA user_version = 99');
    expect(() => place.open()).toThrow(StorageSetupError);
    expect(() => place.open()).toThrow(/^DATABASE_URL: .* has schema 99 of a newer Easel/);
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
    downgrade(place.path(), 2);
    const records = place.open();
    expect(await records.get('a')).toEqual({
      ...spent,
      attempts: [
        { ...anAttempt('t1'), model: 'm', cost: { usd: 0, basis: 'usage' } },
        { ...anAttempt('t2'), model: 'm', cost },
      ],
    });
    expect(await records.get('b')).toEqual(anImage({ mediaId: 'b' }));
  });

  it('migrates images from before renditions could be pending', async () => {
    const store = place.open();
    await store.accept(anImage({ mediaId: 'old' }), Infinity);
    await store.close();
    downgrade(place.path(), 3);
    const records = place.open();
    expect(await records.get('old')).toMatchObject({ pending: [], dominantColour: null });
  });

  it('migrates images from before a rerun was a new life: their age counts from when they were made', async () => {
    const store = place.open();
    for (const second of [3, 1, 2])
      await store.accept(anImage({ mediaId: `m${second}`, status: 'failed', createdAt: at(second) }), Infinity);
    await store.accept(anImage({ mediaId: 'due', status: 'succeeded', createdAt: at(9), expiresAt: at(10) }), Infinity);
    await store.close();
    downgrade(place.path(), 5);
    const records = place.open();
    expect(await records.get('m3')).toMatchObject({ requestedAt: at(3), allowanceFrom: 1 });
    const ids = (images: readonly Image[]) => images.map(({ mediaId }) => mediaId);
    expect(ids(await records.oldest(9, null))).toEqual(['m1', 'm2', 'm3', 'due']);
    const due = { now: ms(10), requestedBefore: ms(2), status: null, limit: 9, after: null };
    expect(ids(await records.expired(due))).toEqual(['m1', 'm2', 'due']);
    await records.update('m1', (image) => ({ ...image, requestedAt: at(4) }));
    expect(ids(await records.oldest(9, null))).toEqual(['m2', 'm3', 'm1', 'due']);
  });

  const zero = { usd: 0, basis: 'usage' } as const;
  const none = { usd: 0, basis: 'none' } as const;
  const paid = { usd: 0.03, basis: 'usage' } as const;
  const guessed = { usd: 0.03, basis: 'estimate' } as const;
  const unknown = { usd: null, basis: 'unknown' } as const;
  const free = { usd: 0, basis: 'estimate' } as const;

  it.each<[string, readonly [AttemptOutcome, Cost][], Cost, readonly Cost[], Cost]>([
    ['an image that was never called for', [], zero, [], none],
    [
      'calls that all failed',
      [
        ['failed', zero],
        ['failed', zero],
      ],
      zero,
      [none, none],
      none,
    ],
    [
      'a call that failed before one that was paid',
      [
        ['failed', zero],
        ['ok', paid],
      ],
      paid,
      [none, paid],
      paid,
    ],
    [
      'a call of unknown outcome',
      [
        ['unknown', guessed],
        ['failed', zero],
      ],
      guessed,
      [guessed, none],
      guessed,
    ],
    [
      'a call without a price',
      [
        ['failed', zero],
        ['ok', unknown],
      ],
      unknown,
      [none, unknown],
      unknown,
    ],
    ['a call that was free', [['ok', free]], free, [free], free],
    ['a sum from before the ledger, at an attempt that failed', [['failed', paid]], paid, [paid], paid],
  ])('gives costs from before `none` their basis: %s', async (_, calls, cost, expected, sum) => {
    const store = place.open();
    const attempts = calls.map(([outcome, cost], index) => ({ ...anAttempt(`t${index}`), outcome, cost }));
    await store.accept(anImage({ mediaId: 'a', status: 'failed', attempts, cost, estimate: zero }), Infinity);
    await store.accept(anImage({ mediaId: 'b', estimate: guessed }), Infinity);
    await store.close();
    downgrade(place.path(), 5);
    const records = place.open();
    const image = await records.get('a');
    expect(image?.attempts.map(({ cost }) => cost)).toEqual(expected);
    expect(image?.attempts.map(({ announced }) => announced)).toEqual(calls.map(() => null));
    expect([image?.cost, image?.estimate]).toEqual([sum, none]);
    expect((await records.get('b'))?.estimate).toEqual(guessed);
  });

  it('migrates the outbox from before it outlived its images, with the latest settled deliveries of each', async () => {
    const request = aRequest({ webhookUrl: 'https://example.com/hook' });
    const store = place.open();
    await store.accept(anImage({ mediaId: 'a', request }), Infinity);
    await store.update('a', (image) => ({ ...image, status: 'succeeded' }));
    const [pending] = await store.outbox.list('a');
    await store.close();
    downgrade(place.path(), 6);
    execute(
      place.path(),
      `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 25)
       INSERT INTO deliveries SELECT 100 + n, 'settled' || n, 'a', receiver, NULL,
         json_set(document, '$.id', 'settled' || n, '$.nextAttemptAt', NULL), image
       FROM deliveries, numbers`,
    );
    const records = place.open();
    const kept = Array.from({ length: 20 }, (_, n) => `settled${25 - n}`);
    expect((await records.outbox.list('a')).map(({ id }) => id)).toEqual([...kept, pending?.id]);
    await records.remove('a');
    expect(await records.outbox.next({ ids: [], receivers: [] }, Infinity)).toMatchObject({ delivery: pending });
  });

  it('migrates images with a fingerprint and the sum of their bytes to images without, which are counted on', async () => {
    const store = place.open();
    const images = [anImage({ mediaId: 'a' }), anImage({ mediaId: 'b', request: aRequest({ labels: ['x'] }) })];
    for (const image of images) await store.accept(image, Infinity);
    await store.close();
    downgrade(place.path(), 7);
    const records = place.open();
    for (const image of images) expect(await records.get(image.mediaId)).toEqual(image);
    expect((await records.list({ limit: 10, owner: null, label: ['x'] })).items).toEqual(images.slice(1));
    expect(await records.countByStatus()).toMatchObject({ queued: 2 });
    await records.update('a', (image) => ({ ...image, status: 'succeeded' }));
    await records.remove('b');
    await records.accept(anImage({ mediaId: 'c' }), Infinity);
    expect(await records.countByStatus()).toMatchObject({ queued: 1, succeeded: 1 });
    await records.check();
  });

  it('migrates labels from before they knew owner and status, which are kept from then on', async () => {
    const request = aRequest({ labels: ['x'] });
    const store = place.open();
    await store.accept(anImage({ mediaId: 'a', owner: 'anna', request }), Infinity);
    await store.accept(anImage({ mediaId: 'b', owner: 'bert', request, status: 'failed' }), Infinity);
    await store.close();
    downgrade(place.path(), 8);
    const records = place.open();
    const listed = async (query: Partial<ListQuery>) =>
      (await records.list({ limit: 10, owner: null, label: ['x'], ...query })).items.map(({ mediaId }) => mediaId);
    expect(await listed({})).toEqual(['b', 'a']);
    expect(await listed({ owner: 'anna' })).toEqual(['a']);
    expect(await listed({ status: ['failed'] })).toEqual(['b']);
    await records.update('a', (image) => ({ ...image, status: 'cancelled' }));
    await records.accept(anImage({ mediaId: 'c', owner: 'anna', request }), Infinity);
    expect(await listed({ status: ['queued'] })).toEqual(['c']);
    expect(await listed({ status: ['cancelled', 'queued'], owner: 'anna' })).toEqual(['c', 'a']);
    await records.update('c', (image) => ({ ...image, request: aRequest({ labels: ['y'] }) }));
    await records.remove('a');
    expect(await listed({ owner: 'anna' })).toEqual([]);
    expect(await listed({ label: ['y'], status: ['queued'], owner: 'anna' })).toEqual(['c']);
  });

  it('migrates images from before the OpenAI dialect, which belong to no call, and finds the calls of new ones', async () => {
    const store = place.open();
    await store.accept(anImage({ mediaId: 'old', status: 'succeeded', completedAt: at(5) }), Infinity);
    await store.close();
    downgrade(place.path(), 9);
    const records = place.open();
    const query = { owner: 'anonymous', digest: 'd', endedSince: ms(0), limit: 9 };
    expect(await records.get('old')).toEqual(anImage({ mediaId: 'old', status: 'succeeded', completedAt: at(5) }));
    expect(await records.findCalls(query)).toEqual([]);
    const image = anImage({ mediaId: 'new', call: { id: 'new', index: 0, count: 1, digest: 'd' } });
    await records.accept(image, Infinity);
    expect(await records.findCall('new')).toEqual([image]);
    expect(await records.findCalls(query)).toEqual([{ id: 'new', isKeyed: false, endedAt: null }]);
    await records.check();
  });

  it('finds images from before the search by their records, keeps what is searched, and counts their labels', async () => {
    const store = place.open();
    const request = aRequest({ prompt: 'Straße', preset: 'icon@2', labels: ['x'] });
    await store.accept(anImage({ mediaId: 'a', owner: 'anna', request }), Infinity);
    await store.accept(anImage({ mediaId: 'b', owner: 'bert' }), Infinity);
    await store.accept(anImage({ mediaId: 'c', owner: 'anna', request }), Infinity);
    await store.close();
    downgrade(place.path(), 11);
    const { records, connection } = place.openWithConnection();
    const kept = () =>
      connection
        .prepare('SELECT media_id FROM search ORDER BY media_id')
        .all()
        .map(({ media_id }) => media_id);
    expect(await records.labels(null, 9)).toEqual([{ label: 'x', images: 2 }]);
    expect(await records.labels('bert', 9)).toEqual([]);
    expect(kept()).toEqual([]);
    const listed = async (query: Partial<ListQuery>) =>
      (await records.list({ limit: 10, owner: null, ...query })).items.map(({ mediaId }) => mediaId);
    await records.update('a', (image) => ({ ...image, prompt: 'rewritten' }));
    expect(kept()).toEqual(['a']);
    expect(await listed({ q: 'STRASSE', preset: 'icon', owner: 'anna' })).toEqual(['c', 'a']);
    expect(kept()).toEqual(['a', 'c']);
    expect(await listed({ q: 'nowhere' })).toEqual([]);
    expect(kept()).toEqual(['a', 'b', 'c']);
    expect(await listed({ q: 'STRASSE', preset: 'icon@2' })).toEqual(['c', 'a']);
    await records.remove('a');
    await records.remove('c');
    expect(kept()).toEqual(['b']);
    expect(await records.labels(null, 9)).toEqual([]);
  });

  it.each([2, 3, 4, 5, 6, 7, 8, 9, 11])(
    'migrates from version %d although a record cannot be read',
    async (version) => {
      const store = place.open();
      for (const mediaId of ['bad', 'good']) await store.accept(anImage({ mediaId }), Infinity);
      await store.close();
      downgrade(place.path(), version);
      await damage(place.path(), '{"mediaId":"bad"');
      const records = place.open();
      expect(await records.unfinished()).toEqual(['good']);
      expect(await records.get('good')).toEqual(anImage({ mediaId: 'good' }));
      await expect(records.get('bad')).rejects.toMatchObject({ code: 'storage_unavailable' });
    },
  );

  it('reads a cleanup report from before the search for missing and foreign files as one that found none', async () => {
    const records = place.open();
    execute(place.path(), `INSERT INTO last_cleanup (id, report) VALUES (1, '{"deleted":1,"time":"${at(1)}"}')`);
    const found = { missingFiles: 0, missingFilesOf: [], foreignFiles: 0, failures: 0, failuresOf: [] };
    expect(await records.lastCleanup()).toEqual({ deleted: 1, ...found, time: at(1) });
  });

  it('is migrated in one transaction', async () => {
    execute(place.path(), 'CREATE TABLE probe (surprise TEXT)');
    expect(() => place.open()).toThrow(/probe already exists/);
    execute(place.path(), 'DROP TABLE probe');
    await place.open().check();
  });
});
