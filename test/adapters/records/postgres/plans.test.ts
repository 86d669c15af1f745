import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresDatabase, Statements } from '../../../../src/adapters/postgres/database.ts';
import { openPostgresRecords } from '../../../../src/adapters/records/postgres/records.ts';
import type { RecordStore } from '../../../../src/core/ports/record-store.ts';
import { anImage, aRequest, at, ms } from '../../../contracts/record-store/example-images.ts';
import { trivialDerive } from '../../../contracts/record-store/trivial-derive.ts';
import { createPlaces, type Place } from './fixture.ts';

const makePlace = createPlaces();

/** Enough that the planner would not read a whole table without need. */
const IMAGES = 5_000;

const FILL = `
  ALTER TABLE easel.images DISABLE TRIGGER images_counted;
  INSERT INTO easel.images (
    media_id, owner, status, idempotency_key, created_at, requested_at, expires_at, has_pending,
    call_id, call_index, call_digest, call_ended_at, document)
  SELECT 'm' || n, CASE n % 2 WHEN 0 THEN 'anna' ELSE 'bert' END,
    CASE WHEN n % 1000 = 0 THEN 'queued' WHEN n % 100 = 1 THEN 'failed' ELSE 'succeeded' END,
    'key' || n, ${ms(0)} + n, ${ms(0)} + n, CASE WHEN n % 3 = 0 THEN ${ms(0)} + 2 * n END, n % 1000 = 7,
    'call' || n, 0, 'd' || n % 50, ${ms(0)} + n, '{"mediaId":"m' || n || '","prompt":"","request":{"prompt":null,"brief":null,"labels":["red"]}}'
  FROM generate_series(1, ${IMAGES}) AS n;
  ALTER TABLE easel.images ENABLE TRIGGER images_counted;
  INSERT INTO easel.labels SELECT media_id, 'red', owner, status, created_at FROM easel.images;
  INSERT INTO easel.search SELECT media_id, NULL, 'a lighthouse' FROM easel.images;
  INSERT INTO easel.label_totals (owner, label, images) SELECT 'o' || n, 'l', 1 FROM generate_series(1, ${IMAGES}) AS n;
  INSERT INTO easel.shared_files SELECT 'inputs/' || media_id, media_id FROM easel.images;
  INSERT INTO easel.deletions SELECT 'gone' || n, '[]' FROM generate_series(1, ${IMAGES}) AS n;
  INSERT INTO easel.deliveries (id, media_id, receiver, due_at, document, image)
    SELECT 'd' || n, 'm' || n, 'example.com', ${ms(0)} + n,
      CASE WHEN n % 3 = 0 THEN '{"status":"pending","attempts":[{"error":"x"}]}' ELSE '{"status":"delivered"}' END,
      CASE n % 2 WHEN 0 THEN '{"owner":"anna"}' ELSE '{"owner":"bert"}' END
    FROM generate_series(1, ${IMAGES}) AS n;
  INSERT INTO easel.spending (day, owner, model, images, micro_usd, unpriced)
    SELECT '1999-' || n, 'anna', 'm', 1, 1, 0 FROM generate_series(1, ${IMAGES}) AS n;
  ANALYZE`;

describe('the cost', () => {
  let place: Place;
  let records: RecordStore;
  let ran: { readonly text: string; readonly values: readonly unknown[] }[] = [];

  beforeAll(async () => {
    place = await makePlace();
    const { database } = await place.open();
    await place.test.query(FILL);
    const noted: Statements['run'] = async (text, values = []) => {
      ran.push({ text, values });
      return [];
    };
    const through: PostgresDatabase = {
      ...database,
      read: async (text, values) => [...(await noted(text, values)), ...(await database.read(text, values))],
      transaction: (work) =>
        database.transaction(({ run, look }) =>
          work({
            run: async (text, values) => [...(await noted(text, values)), ...(await run(text, values))],
            look: async (text, values) => [...(await noted(text, values)), ...(await look(text, values))],
          }),
        ),
    };
    const session = { listen: async () => () => undefined };
    records = await openPostgresRecords({ database: through, session, derive: trivialDerive });
  });
  afterAll(() => place.close());

  /** Every statement that `use` runs, with its plan: one step a line. */
  const plansOf = async (use: (records: RecordStore) => Promise<unknown>) => {
    ran = [];
    await use(records);
    expect(ran.length).toBeGreaterThan(0);
    const plans: { readonly text: string; readonly plan: string }[] = [];
    for (const { text, values } of ran) {
      if (!/^\s*(SELECT|WITH|INSERT|UPDATE|DELETE|\()/.test(text)) continue;
      const rows = await place.test.query(`EXPLAIN ${text}`, values);
      plans.push({ text, plan: rows.map((row) => row['QUERY PLAN']).join('\n') });
    }
    return plans;
  };

  const everything = { limit: 10, owner: null };
  const cursor = Buffer.from(JSON.stringify([ms(5), 'm4000'])).toString('base64url');
  const deliveries = {
    limit: 10,
    state: null,
    owner: null,
    cursor: Buffer.from('[4000]').toString('base64url'),
  };
  const retention = { now: ms(0) + 50, requestedBefore: ms(0) + 50, status: null, limit: 10, after: null };
  const request = aRequest({ labels: ['red'], webhookUrl: 'https://example.com/hook' });
  const call = { id: 'c', index: 0, count: 1, digest: 'd' };

  it.each<[string, readonly string[], (store: RecordStore) => Promise<unknown>]>([
    ['the list', ['images_by_age'], (store) => store.list({ ...everything, cursor })],
    [
      'the list by time',
      ['images_by_age'],
      (store) => store.list({ ...everything, createdAfter: at(1), createdBefore: at(2) }),
    ],
    [
      'the list by status',
      ['images_by_status'],
      (store) => store.list({ ...everything, status: ['failed', 'succeeded'], cursor }),
    ],
    ['the list by owner', ['images_by_owner'], (store) => store.list({ ...everything, owner: 'anna', cursor })],
    [
      'the list by label',
      ['labels_by_status', 'images_pkey'],
      (store) => store.list({ ...everything, label: ['red'], cursor }),
    ],
    [
      'the list by label and owner',
      ['labels_by_owner'],
      (store) => store.list({ limit: 10, label: ['red'], owner: 'anna', cursor }),
    ],
    ['a search', ['images_by_age', 'search_pkey'], (store) => store.list({ ...everything, q: 'none', cursor })],
    [
      'a search by owner',
      ['images_by_owner', 'search_pkey'],
      (store) => store.list({ ...everything, q: 'none', preset: 'icon', owner: 'anna', cursor }),
    ],
    [
      'a search by labels',
      ['labels_by_status', 'search_pkey'],
      (store) => store.list({ ...everything, q: 'none', label: ['red', 'blue'], cursor }),
    ],
    [
      'the list by several labels',
      ['labels_by_status'],
      (store) => store.list({ ...everything, label: ['red', 'blue'] }),
    ],
    ['the labels of an owner', ['label_totals_by_label'], (store) => store.labels('anna', 10)],
    ['expiry', ['images_by_expiry', 'images_by_request'], (store) => store.expired(retention)],
    [
      'the oldest',
      ['images_by_request', 'images_expiring_by_request'],
      (store) => store.oldest(10, { requestedAt: at(1), mediaId: 'm1' }),
    ],
    ['the unfinished', ['images_unfinished', 'images_pending'], (store) => store.unfinished()],
    ['the unreadable', ['images_unfinished'], (store) => store.unreadable()],
    ['a call', ['images_by_call'], (store) => store.findCall('call5')],
    [
      'calls',
      ['images_by_digest'],
      (store) => store.findCalls({ owner: 'anna', digest: 'd5', endedSince: ms(19), limit: 10 }),
    ],
    ['a key', ['images_by_idempotency_key'], (store) => store.findByKey('anna', 'key5')],
    ['an image', ['images_pkey'], (store) => store.get('m5')],
    [
      'accepting',
      ['deletions_pkey'],
      (store) => store.accept([anImage({ mediaId: 'new', request, call }), anImage({ mediaId: 'new2' })], 1e6),
    ],
    [
      'updating',
      ['images_pkey'],
      (store) => store.update('new', (image) => ({ ...image, status: 'succeeded', request: { ...request } })),
    ],
    ['requeueing', ['images_pkey'], (store) => store.requeue('new2', 1e6, (image) => ({ ...image, run: 2 }))],
    [
      'removing',
      ['images_pkey', 'labels_pkey', 'shared_files_by_image', 'deliveries_by_image'],
      (store) => store.remove('new'),
    ],
    [
      'ownership',
      ['images_pkey', 'deletions_pkey', 'shared_files_pkey'],
      (store) => store.ownedNames(['none.png', 'inputs/m5']),
    ],
    ['sharing', ['shared_files_pkey'], (store) => store.countSharing(['inputs/m5'], 'anna')],
    ['the balance', ['spending_by_day'], (store) => store.balance('1999-5', 'anna')],
    [
      'the due delivery',
      ['deliveries_due'],
      (store) => store.outbox.next({ ids: ['d1'], receivers: ['other'] }, ms(0) + 50),
    ],
    ['a claim', ['deliveries_id_key'], (store) => store.outbox.claim('d100', 1)],
    ['the deliveries', ['deliveries_by_image'], (store) => store.outbox.list('m5')],
    ['all deliveries', ['deliveries_pkey'], (store) => store.outbox.page(deliveries)],
    ['deliveries by state', ['deliveries_by_state'], (store) => store.outbox.page({ ...deliveries, state: 'failing' })],
    ['deliveries by owner', ['deliveries_by_owner'], (store) => store.outbox.page({ ...deliveries, owner: 'anna' })],
    ['the oldest queued', ['images_by_status'], (store) => store.oldestQueued()],
    ['the counts', [], (store) => store.countByStatus()],
  ])('of %s does not grow with the number of images', async (_, indexes, use) => {
    const plans = await plansOf(use);
    const all = plans.map(({ plan }) => plan).join('\n');
    for (const index of indexes) expect(all).toMatch(new RegExp(`\\b${index}\\b`));
    for (const { plan, text } of plans) {
      // Pending deletions are few, and the unreadable among them are looked for at the start.
      const scans = plan.replace(/Seq Scan on deletions .*\n *Filter: \(NOT is_json\(names\)\)/, '');
      expect(scans, text).not.toMatch(/Seq Scan on (images|labels|shared_files|deletions|deliveries|spending)/);
    }
  });

  it('of a page is bounded by the page: what is read is in order, and only what is read is sorted', async () => {
    for (const query of [{ status: ['failed', 'succeeded'] as const }, { owner: 'anna' }, { label: ['red'] }, {}]) {
      ran = [];
      await records.list({ ...everything, ...query, cursor });
      const [{ text, values } = { text: '', values: [] }] = ran;
      const [row] = await place.test.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
      for (const { type, rows } of scans(planOf(row))) {
        expect(type).toMatch(/^Index/);
        expect(rows).toBeLessThanOrEqual(11);
      }
    }
  });

  it('of a page of deliveries is bounded by the page', async () => {
    for (const query of [
      {},
      { state: 'failing' as const },
      { owner: 'anna' },
      { state: 'failing', owner: 'anna' } as const,
    ]) {
      ran = [];
      await records.outbox.page({ ...deliveries, ...query });
      const [{ text, values } = { text: '', values: [] }] = ran;
      const [row] = await place.test.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
      for (const { type, rows } of scans(planOf(row))) {
        expect(type).toMatch(/^Index/);
        expect(rows).toBeLessThanOrEqual(11);
      }
    }
  });
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Actual Rows': number;
  readonly Plans?: readonly PlanNode[];
}

function planOf(row: Readonly<Record<string, unknown>> | undefined): PlanNode {
  const plans = row?.['QUERY PLAN'] as readonly { readonly Plan: PlanNode }[] | undefined;
  if (!plans?.[0]) throw new TypeError('PostgreSQL has not answered with a plan');
  return plans[0].Plan;
}

/** The steps of a plan that read a table, and the rows that each gave. */
function scans(node: PlanNode): readonly { readonly type: string; readonly rows: number }[] {
  const below = (node.Plans ?? []).flatMap(scans);
  const { 'Node Type': type, 'Actual Rows': rows } = node;
  return /Scan/.test(type) && type !== 'Subquery Scan' ? [{ type, rows }, ...below] : below;
}
