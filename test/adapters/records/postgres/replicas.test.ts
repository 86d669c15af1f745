import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mergeSums } from '../../../../src/adapters/records/postgres/ledger.ts';
import type { Image } from '../../../../src/core/domain/image.ts';
import type { SpendingGuard } from '../../../../src/core/domain/money.ts';
import type { Derive, RecordStore } from '../../../../src/core/ports/record-store.ts';
import { anAttempt, anImage, aRequest, at, ms } from '../../../contracts/record-store/example-images.ts';
import { trivialDerive } from '../../../contracts/record-store/trivial-derive.ts';
import { until } from '../../../support/until.ts';
import { createPlaces, type Place, type Replica } from './fixture.ts';

const makePlace = createPlaces();

describe('two replicas over one database', () => {
  let place: Place;
  let one: Replica;
  let other: Replica;
  let both: readonly [RecordStore, RecordStore];

  beforeEach(async () => {
    place = await makePlace();
    [one, other] = [await place.open({ instance: 'one' }, 'one'), await place.open({ instance: 'other' }, 'other')];
    both = [one.records, other.records];
  });
  afterEach(() => place.dispose());

  /** Does the work `count` times at once, by turns at one replica and the other. */
  const atOnce = <T>(count: number, work: (records: RecordStore, index: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: count }, (_, index) => work(both[index % 2] as RecordStore, index)));
  const accepted = (answers: readonly { readonly outcome: string }[]) =>
    answers.filter(({ outcome }) => outcome === 'accepted').length;

  it.each([
    ['mediaId', (index: number) => anImage({ mediaId: 'same', prompt: `${index}` })],
    ['idempotencyKey', (index: number) => anImage({ mediaId: `m${index}`, idempotencyKey: 'same' })],
  ])('accept one of 200 images with the same %s, and each gives that one as the answer', async (by, make) => {
    const answers = await atOnce(200, (records, index) => records.accept(make(index), Infinity));
    expect(accepted(answers)).toBe(1);
    const [winner] = (await one.records.list({ limit: 10, owner: null })).items;
    for (const answer of answers.filter(({ outcome }) => outcome !== 'accepted'))
      expect(answer).toEqual({ outcome: 'exists', by, image: winner });
    expect((await other.records.countByStatus()).queued).toBe(1);
  });

  it('accept calls whole or not at all, whose mediaIds and keys are crossed', async () => {
    const call = (id: string, mediaIds: readonly string[], key: string): Image[] =>
      mediaIds.map((mediaId, index) =>
        anImage({
          mediaId,
          idempotencyKey: index === 0 ? key : null,
          call: { id, index, count: mediaIds.length, digest: 'd' },
        }),
      );
    let derived = 0;
    const derive: Derive = (before, after) => {
      derived += 1;
      return trivialDerive(before, after);
    };
    both = [(await place.open({ derive })).records, (await place.open({ derive })).records];
    for (let round = 0; round < 10; round += 1) {
      const [x, y] = [`x${round}`, `y${round}`];
      const answers = await atOnce(8, (records, index) =>
        records.accept(index % 2 === 0 ? call(x, [x, y], `k${round}`) : call(y, [y, x], `l${round}`), Infinity),
      );
      expect(accepted(answers)).toBe(1);
    }
    expect((await one.records.countByStatus()).queued).toBe(20);
    // Each call is tried once: none was undone because two waited for each other.
    expect(derived).toBe(10 * 8 * 2);
  });

  it('never exceed the limit of the queue together, far from it and near it', async () => {
    // The first ones count the queue without waiting for each other.
    const answers = await atOnce(260, (records, index) => records.accept(anImage({ mediaId: `m${index}` }), 230));
    expect(accepted(answers)).toBe(230);
    expect((await one.records.countByStatus()).queued).toBe(230);
    await atOnce(30, (records, index) => records.accept(anImage({ mediaId: `f${index}`, status: 'failed' }), Infinity));
    const again = (image: Image): Image => ({ ...image, status: 'queued', run: 2 });
    const requeued = await atOnce(30, (records, index) => records.requeue(`f${index}`, 250, again));
    expect(requeued.filter((answer) => answer === 'queue_full')).toHaveLength(10);
  });

  it('never exceed a budget together, of the service or of a key', async () => {
    const estimate = { usd: 0.01, basis: 'estimate' } as const;
    const guard = (limits: ReturnType<SpendingGuard['limitsOf']>): SpendingGuard => ({
      day: '2026-01-01',
      limitsOf: () => limits,
      check(_, { service, owner }) {
        const isAbove = (limit: number | null, { spent, reserved }: typeof service) =>
          limit !== null && spent + reserved > limit;
        if (isAbove(limits.service, service) || isAbove(limits.owner, owner)) throw new Error('no more');
      },
    });
    // In one replica guarded writes take turns, so that it takes several to have many at once.
    const open = async () => (await place.open()).records;
    const replicas = [...both, ...(await Promise.all([open(), open(), open(), open(), open(), open()]))];
    const reserve = async (owner: string, limits: ReturnType<SpendingGuard['limitsOf']>) => {
      const ends = await atOnce(50, (_, index) =>
        (replicas[index % replicas.length] as RecordStore)
          .accept(anImage({ mediaId: `${owner}${index}`, owner, estimate }), Infinity, guard(limits))
          .then(
            () => true,
            () => false,
          ),
      );
      return ends.filter(Boolean).length;
    };
    expect(await reserve('anna', { service: null, owner: 70_000 })).toBe(7);
    expect(await reserve('bert', { service: 120_000, owner: null })).toBe(5);
    expect(await other.records.balance('2026-01-01', null)).toEqual({ spent: 0, reserved: 120_000 });
    expect((await other.records.countByStatus()).queued).toBe(12);
  });

  it('never exceed the limit of the queue by calls of several images that are under way at once', async () => {
    // More than can be queued by writes of one image each: the server takes 200 connections.
    const call = (index: number) =>
      Array.from({ length: 100 }, (_, place) => anImage({ mediaId: `m${index}.${place}` }));
    const answers = await atOnce(8, (records, index) => records.accept(call(index), 450));
    expect(accepted(answers)).toBe(4);
    expect((await other.records.countByStatus()).queued).toBe(400);
  });

  it('make one row of each sum of the days before and of what is reserved, and none of nothing', async () => {
    const rows = (day: string, model: string, microUsd: readonly number[]) =>
      one.database.write(
        `INSERT INTO easel.spending (day, owner, model, images, micro_usd, unpriced)
        SELECT $1, 'anna', $2, 1, micro_usd, 0 FROM unnest($3::bigint[]) AS micro_usd`,
        [day, model, microUsd],
      );
    const [{ today, yesterday } = {}] = await place.test.query(
      `SELECT to_char(at, 'YYYY-MM-DD') AS today, to_char(at - interval '1 day', 'YYYY-MM-DD') AS yesterday
      FROM (SELECT now() AT TIME ZONE 'UTC' AS at) AS clock`,
    );
    await rows(String(today), 'm', [1, 2]);
    await rows(String(yesterday), 'm', [3, 4]);
    await rows(String(yesterday), 'n', [5]);
    await rows('', 'm', [6, 7]);
    await rows('', 'n', [8]);
    await place.test.query("UPDATE easel.spending SET images = 0, micro_usd = 0 WHERE day = '' AND model = 'n'");
    const before = await one.records.spending('2000-01-01', null);
    await mergeSums(one.database);
    await mergeSums(other.database);
    expect(await other.records.spending('2000-01-01', null)).toEqual(before);
    const left = await place.test.query(
      "SELECT day = '' AS reserved, model, micro_usd::int FROM easel.spending WHERE day <> $1 ORDER BY day, model",
      [today],
    );
    expect(left.map(({ reserved, model, micro_usd }) => [reserved, model, micro_usd])).toEqual([
      [true, 'm', 13],
      [false, 'm', 7],
      [false, 'n', 5],
    ]);
  });

  it('lose no update of one image, and count every change', async () => {
    await one.records.accept(anImage({ mediaId: 'a' }), Infinity);
    await atOnce(100, (records, index) =>
      records.update('a', (image) => ({
        ...image,
        status: index % 3 === 0 ? 'generating' : 'processing',
        attempts: [...image.attempts, anAttempt(`t${index}`)],
      })),
    );
    const image = await other.records.get('a');
    expect(new Set(image?.attempts.map(({ id }) => id)).size).toBe(100);
    const counts = await one.records.countByStatus();
    expect(counts).toMatchObject({ queued: 0, [image?.status ?? '']: 1 });
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  it('keep the sum of the ledger, whoever writes', async () => {
    const estimate = { usd: 0.01, basis: 'estimate' } as const;
    await atOnce(60, async (records, index) => {
      await records.accept(anImage({ mediaId: `m${index}`, estimate }), Infinity);
      await records.update(`m${index}`, (image) => ({ ...image, status: 'succeeded' }));
    });
    expect(await one.records.balance('2026-01-01', null)).toEqual({ spent: 600_000, reserved: 0 });
    expect(await one.records.spending('2026-01-01', null)).toMatchObject([{ images: 60, microUsd: 600_000 }]);
  });

  it('accept no image whose earlier files are still to be removed, however the two meet', async () => {
    for (let round = 0; round < 20; round += 1) {
      const mediaId = `m${round}`;
      await one.records.accept(anImage({ mediaId, status: 'failed' }), Infinity);
      const [deletion, acceptance] = await Promise.allSettled([
        one.records.remove(mediaId),
        other.records.accept(anImage({ mediaId }), Infinity),
      ]);
      expect(deletion).toMatchObject({ status: 'fulfilled', value: { mediaId } });
      if (acceptance.status === 'fulfilled') expect(acceptance.value).toMatchObject({ outcome: 'exists' });
      else expect(acceptance.reason).toMatchObject({ code: 'storage_unavailable', mediaId });
      expect(await other.records.get(mediaId)).toBeNull();
    }
  });

  it('send the jobs of a write within its transaction, or not at all', async () => {
    await place.test.query('CREATE TABLE IF NOT EXISTS jobs (name text)');
    const jobs = async () => (await place.test.query('SELECT name FROM jobs ORDER BY name')).map(({ name }) => name);
    let isFailing = false;
    const durable: string[] = [];
    const { records } = await place.open({
      async enlist({ run }, mediaIds) {
        await run('INSERT INTO jobs SELECT * FROM unnest($1::text[])', [mediaIds]);
        if (isFailing) throw new Error('no queue');
        return () => void durable.push(...mediaIds);
      },
    });
    await records.accept([anImage({ mediaId: 'a' }), anImage({ mediaId: 'b' })], Infinity);
    expect(await jobs()).toEqual(['a', 'b']);
    await records.accept(anImage({ mediaId: 'a' }), Infinity);
    await records.update('a', (image) => ({ ...image, status: 'failed' }));
    expect(await jobs()).toEqual(['a', 'b']);
    isFailing = true;
    const again = (image: Image): Image => ({ ...image, status: 'queued', run: 2 });
    await expect(records.requeue('a', 9, again)).rejects.toThrow('no queue');
    await expect(records.accept(anImage({ mediaId: 'c' }), 9)).rejects.toThrow('no queue');
    isFailing = false;
    expect(durable).toEqual(['a', 'b']);
    expect([await jobs(), await records.get('c')]).toEqual([['a', 'b'], null]);
    await records.requeue('a', 9, again);
    expect(await jobs()).toEqual(['a', 'a', 'b']);
    await place.test.query('DROP TABLE jobs');
  });

  describe('notifications', () => {
    it('name each image that was added, changed or removed, whose it is, what kind of change it was, and who made it', async () => {
      const heard: unknown[] = [];
      await other.session.listen('easel_images', {
        message: (payload) => heard.push(JSON.parse(payload)),
        reconnected: () => undefined,
      });
      await one.records.accept(anImage({ mediaId: 'a' }), Infinity);
      await one.records.update('a', () => null);
      await one.records.update('a', (image) => ({ ...image, status: 'failed' }));
      await other.records.update('a', (image) => ({ ...image, thumbhash: 'x' }));
      await one.records.update('a', (image) => ({ ...image, claim: 7 }));
      await one.records.remove('a');
      await until(() => heard.length >= 5);
      const { owner } = anImage();
      expect(heard).toEqual(
        [
          ['one', 'created'],
          ['one', 'done'],
          ['other', 'changed'],
          ['one', null],
          ['one', 'deleted'],
        ].map(([instance, kind]) => ({ mediaId: 'a', instance, kind, owner })),
      );
    });
  });

  describe('the outbox', () => {
    const none = { ids: [], receivers: [] };
    const hooked = (mediaId: string) =>
      anImage({ mediaId, request: aRequest({ webhookUrl: 'https://example.com/hook' }) });
    const finish = async (mediaId: string): Promise<string> => {
      await one.records.accept(hooked(mediaId), Infinity);
      await one.records.update(mediaId, (image) => ({ ...image, status: 'succeeded' }));
      const [delivery] = await one.records.outbox.list(mediaId);
      return delivery?.id ?? '';
    };

    it('tells every replica of a new delivery, and again after its connection was lost', async () => {
      let [news, otherNews] = [0, 0];
      one.records.outbox.onNew(() => news++);
      other.records.outbox.onNew(() => otherNews++);
      const id = await finish('a');
      await until(() => otherNews === 1);
      expect(news).toBe(1);
      await one.records.outbox.update(id, (delivery) => ({ ...delivery, nextAttemptAt: at(1) }));
      await until(() => otherNews === 2);
      const before = otherNews;
      await place.test.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'easel other'",
      );
      await until(() => otherNews > before);
    });

    it('gives a due delivery to one of 20 claims', async () => {
      const id = await finish('a');
      const claims = await atOnce(20, async (records) => {
        const next = await records.outbox.next(none, Infinity);
        return next === null ? false : await records.outbox.claim(id, 60_000);
      });
      expect(claims.filter(Boolean)).toHaveLength(1);
    });

    it('passes over what another replica sends, and gives it again once that has said nothing for the lease', async () => {
      const [first, second] = [await finish('a'), await finish('b')];
      expect(await one.records.outbox.claim(first, 600_000)).toBe(true);
      expect((await other.records.outbox.next(none, Infinity))?.delivery.id).toBe(second);
      expect(await other.records.outbox.claim(second, 1)).toBe(true);
      // Of what is leased, `dueAt` is the end of the lease: a replica that waits for it goes on when the other has died.
      await until(() => one.records.outbox.claim(second, 600_000));
      const next = await other.records.outbox.next(none, Infinity);
      expect(next?.delivery.id).toBe(first);
      expect(next?.dueAt).toBeGreaterThan(ms(0));
      expect(await other.records.outbox.claim(first, 1)).toBe(false);
    });

    it('gives no claim to a replica that saw the delivery before another has tried it', async () => {
      const id = await finish('a');
      await other.records.outbox.next(none, Infinity);
      expect(await one.records.outbox.claim(id, 60_000)).toBe(true);
      await one.records.outbox.update(id, (delivery) => ({ ...delivery, nextAttemptAt: at(99) }));
      expect(await other.records.outbox.claim(id, 60_000)).toBe(false);
      await other.records.outbox.next(none, Infinity);
      expect(await other.records.outbox.claim(id, 60_000)).toBe(true);
    });
  });
});
