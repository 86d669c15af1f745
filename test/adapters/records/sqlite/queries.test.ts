import { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import type { ToThread } from '../../../../src/adapters/records/sqlite/writer/write.ts';
import type { ListQuery, RecordStore } from '../../../../src/core/ports/record-store.ts';
import type { DeliveryQuery } from '../../../../src/core/ports/webhooks.ts';
import { anImage, at, ms } from '../../../contracts/record-store/example-images.ts';
import { makePlaceForEach } from './fixture.ts';

const place = makePlaceForEach();

/** Every statement that `use` runs, here and on the thread that writes, with its query plan. */
const plansOf = async (use: (records: RecordStore) => Promise<unknown>) => {
  const { records: store, connection } = place.openWithConnection();
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
  const post = vi.spyOn(Worker.prototype, 'postMessage');
  await use(store);
  const written = post.mock.calls.flatMap(([message]) => (message as Exclude<ToThread, 'close'>).write.steps);
  const statements = [...prepare.mock.calls.map(([text]) => text), ...written.map(({ sql }) => sql)];
  for (const spy of [prepare, post]) spy.mockRestore();
  expect(statements.length).toBeGreaterThan(0);
  return statements.map((text) => ({
    text,
    plan: connection
      .prepare(`EXPLAIN QUERY PLAN ${text}`)
      .all()
      .map(({ detail }) => String(detail)),
  }));
};

describe('the cost', () => {
  const everything = { limit: 10, owner: null };
  const filtered = { limit: 10, owner: 'anna', status: ['failed'] } as const;
  const cursor = Buffer.from('[1,"a"]').toString('base64url');
  const retention = { now: ms(0), requestedBefore: ms(0), status: null, limit: 10, after: null };

  const deliveries = { limit: 10, state: null, owner: null, cursor: Buffer.from('[9]').toString('base64url') };
  const kind = { model: 'm', quality: 'auto', size: { width: 1, height: 1 } } as const;

  it.each<[string, (store: RecordStore) => Promise<unknown>]>([
    ['the list from a cursor', (store) => store.list({ ...everything, cursor })],
    ['the list by status', (store) => store.list({ ...everything, status: ['failed'], cursor })],
    [
      'the list by several statuses',
      (store) => store.list({ ...everything, status: ['failed', 'cancelled', 'queued'], cursor }),
    ],
    [
      'the list by several statuses, label and owner',
      (store) => store.list({ ...everything, status: ['failed', 'queued'], label: ['red'], owner: 'anna' }),
    ],
    [
      'the list by several statuses and owner',
      (store) => store.list({ ...everything, status: ['failed', 'queued'], owner: 'anna' }),
    ],
    ['the list by owner', (store) => store.list({ ...everything, owner: 'anna', cursor })],
    ['the list by label', (store) => store.list({ ...everything, label: ['red'], cursor })],
    ['the list by label, status and owner', (store) => store.list({ ...filtered, label: ['red'], cursor })],
    ['the list by status and owner', (store) => store.list(filtered)],
    ['the list by time', (store) => store.list({ ...everything, createdAfter: at(0), createdBefore: at(1) })],
    ['a search', (store) => store.list({ ...everything, q: 'a b', preset: 'icon', cursor })],
    ['a search by status', (store) => store.list({ ...everything, q: 'a', status: ['failed', 'queued'] })],
    ['a search by label, status and owner', (store) => store.list({ ...filtered, q: 'a', label: ['red', 'blue'] })],
    ['the list by several labels', (store) => store.list({ ...everything, label: ['red', 'blue'], cursor })],
    ['the labels', (store) => store.labels('anna', 10)],
    ['accepting', (store) => store.accept(anImage({ idempotencyKey: 'key' }), 1)],
    ['accepting again', (store) => store.requeue('image', 1, (image) => image)],
    ['accepting a call', (store) => store.accept([anImage({ mediaId: 'b' }), anImage({ mediaId: 'c' })], 2)],
    ['finding a call', (store) => store.findCall('call')],
    ['finding calls', (store) => store.findCalls({ owner: 'anna', digest: 'd', endedSince: 0, limit: 10 })],
    ['finding by key', (store) => store.findByKey('anna', 'key')],
    ['updating', (store) => store.update('image', (image) => image)],
    ['removing', (store) => store.remove('image')],
    ['expiry', (store) => store.expired(retention)],
    ['the oldest', (store) => store.oldest(10, null)],
    ['usage', (store) => store.noteUsage(kind, 1).then(() => store.largestUsage(kind))],
    ['ownership', (store) => store.ownedNames(['image.png'])],
    ['counts', (store) => store.countByStatus()],
    ['the oldest queued', (store) => store.oldestQueued()],
    ['all deliveries', (store) => store.outbox.page(deliveries)],
    ['deliveries by state', (store) => store.outbox.page({ ...deliveries, state: 'failing' })],
    ['deliveries by owner', (store) => store.outbox.page({ ...deliveries, owner: 'anna' })],
    ['deliveries by state and owner', (store) => store.outbox.page({ ...deliveries, state: 'failed', owner: 'anna' })],
  ])('of %s does not grow with the number of images', async (_, use) => {
    for (const { text, plan } of await plansOf(use)) {
      for (const step of plan) {
        expect(step, text).not.toMatch(/^SCAN (images|labels|deletions)/);
        if (!text.includes('expires_at <= ?')) expect(step, text).not.toContain('TEMP B-TREE');
      }
    }
  });

  const page = '\\(created_at,media_id\\)<\\(\\?,\\?\\)';
  it.each<[string, Partial<ListQuery>, string]>([
    ['status', { status: ['failed'] }, `images USING INDEX images_by_status \\(status=\\? AND ${page}\\)`],
    ['owner', { owner: 'anna' }, `images USING INDEX images_by_owner \\(owner=\\? AND status=\\? AND ${page}\\)`],
    [
      'label',
      { label: ['red'] },
      `labels USING COVERING INDEX labels_by_status \\(label=\\? AND status=\\? AND ${page}\\)`,
    ],
    [
      'owner and label',
      { owner: 'anna', label: ['red'] },
      `labels USING COVERING INDEX labels_by_owner \\(label=\\? AND owner=\\? AND status=\\? AND ${page}\\)`,
    ],
  ])(
    'of a page by %s is bounded by the page: an index has all that is searched for, in order',
    async (_, query, search) => {
      const lists = await plansOf(async (store) => {
        for (const status of [['failed'], ['failed', 'queued'], query.status] as const)
          await store.list({ ...everything, ...query, status, cursor });
      });
      expect(lists.length).toBeGreaterThanOrEqual(2);
      for (const { plan } of lists) {
        const steps = plan.filter((step) => /^(SEARCH|SCAN|USE)/.test(step));
        expect(steps.length).toBeGreaterThan(0);
        for (const step of steps)
          expect(step).toMatch(new RegExp(`^SEARCH (${search}|images USING INDEX \\S+ \\(media_id=\\?\\))$`));
      }
    },
  );

  it.each<[string, Partial<ListQuery>, string]>([
    ['all', {}, `images USING COVERING INDEX images_by_age \\(created_at>\\? AND ${page}\\)`],
    [
      'an owner',
      { owner: 'anna' },
      'images USING COVERING INDEX images_by_owner \\(owner=\\? AND status=\\? AND created_at>',
    ],
    [
      'a label',
      { label: ['red'] },
      'labels USING COVERING INDEX labels_by_status \\(label=\\? AND status=\\? AND created_at>',
    ],
  ])(
    'of a search among %s is that of the images looked at: an index gives them, and what is searched is beside',
    async (_, query, search) => {
      const looks = await plansOf((store) => store.list({ ...everything, ...query, q: 'word' }));
      expect(looks.length).toBeGreaterThan(0);
      for (const { plan } of looks) {
        const steps = plan.filter(
          (step) => /^(SEARCH|SCAN|USE)/.test(step) && !/^SCAN \(subquery-|json_each/.test(step),
        );
        expect(steps[0]).toMatch(new RegExp(`^SEARCH ${search}`));
        expect(steps.slice(1)).toEqual([expect.stringMatching(/^SEARCH search USING INDEX \S+ \(media_id=\?\)/)]);
      }
    },
  );
  it('of a page of deliveries is bounded by the page: an index has all that is searched for, in order', async () => {
    const queries: Partial<DeliveryQuery>[] = [
      {},
      { state: 'failing' },
      { state: 'failing', owner: 'anna' },
      { owner: 'anna' },
    ];
    const plans = await plansOf(async (store) => {
      for (const query of queries) await store.outbox.page({ ...deliveries, ...query });
    });
    const pages = plans.map(({ plan }) => plan.filter((step) => /^(SEARCH|SCAN|USE)/.test(step)));
    const by = (index: string) => `SEARCH deliveries USING ${index} AND number<?)`;
    const owned = by('INDEX deliveries_by_owner (owner=? AND state=?');
    expect(pages).toEqual([
      ['SEARCH deliveries USING INTEGER PRIMARY KEY (rowid<?)'],
      [by('INDEX deliveries_by_state (state=?')],
      [owned],
      [owned, owned, owned, owned],
    ]);
  });

  it('of finding calls is bounded by those that fit: an index has all that is searched for, in order', async () => {
    const plans = await plansOf(async (store) => {
      await store.findCalls({ owner: 'anna', digest: 'd', endedSince: 0, limit: 10 });
      await store.findCall('call');
    });
    expect(plans.map(({ plan }) => plan)).toEqual([
      ['SEARCH images USING COVERING INDEX images_by_digest (owner=? AND call_digest=? AND call_ended_at>?)'],
      ['SEARCH images USING INDEX images_by_call (call_id=?)'],
    ]);
  });

  it('of expiry is bounded by the expired images, and only they are sorted', async () => {
    const plans = await plansOf((store) => store.expired(retention));
    const [own, aged] = plans.filter(({ text }) => text.includes('images_by_expiry')).map(({ plan }) => plan);
    expect(own).toEqual([
      'SEARCH images USING COVERING INDEX images_by_expiry (status=? AND expires_at<?)',
      'USE TEMP B-TREE FOR ORDER BY',
    ]);
    expect(aged).toEqual([
      expect.stringMatching(/^SEARCH images USING COVERING INDEX images_by_expiry \(status=\? AND expires_at=\? AND /),
    ]);
  });

  it('of finding unfinished jobs is bounded by their number', async () => {
    const plans = await plansOf((store) => store.unfinished());
    expect(plans.map(({ plan }) => plan)).toEqual([
      ['SCAN images USING INDEX images_unfinished'],
      ['SCAN images USING INDEX images_pending'],
    ]);
  });
});

describe('what one query has shown', () => {
  it.each<[string, (records: RecordStore) => Promise<unknown>]>([
    ['the call', (records) => records.findCall('a')],
    ['the key', (records) => records.findByKey('anonymous', 'k')],
    ['the list', (records) => records.list({ limit: 9, owner: null })],
  ])('of %s, no later read takes back, though the thread that wrote it has not answered yet', async (_, query) => {
    const { records, connection } = place.openWithConnection();
    const call = { id: 'a', index: 0, count: 1, digest: 'd' };
    await records.accept(anImage({ mediaId: 'a', idempotencyKey: 'k', call, status: 'processing' }), Infinity);
    expect((await records.get('a'))?.status).toBe('processing');
    // As a write that is committed by its thread, whose answer is on its way.
    connection.exec("UPDATE images SET status = 'failed', document = json_set(document, '$.status', 'failed')");
    expect((await records.get('a'))?.status).toBe('processing');
    await query(records);
    expect((await records.get('a'))?.status).toBe('failed');
  });
});
