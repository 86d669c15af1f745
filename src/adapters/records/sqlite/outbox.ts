import { DELIVERY_STATES, type Delivery } from '../../../core/domain/delivery.ts';
import type { Image } from '../../../core/domain/image.ts';
import type { NewDelivery } from '../../../core/ports/record-store.ts';
import {
  type DeliveryPage,
  type DeliveryQuery,
  type DueDelivery,
  KEPT_DELIVERIES,
  type Outbox,
} from '../../../core/ports/webhooks.ts';
import { decodeNumber, encodeNumber } from '../cursor.ts';
import type { StoredImage } from '../rows.ts';
import type { SqliteDatabase } from './database.ts';
import { CHANGED, type Row, run, type Step, stopUnless } from './writer/write.ts';

/** The reads of the port's `Outbox`, over the deliveries table, synchronous. */
interface SqliteOutbox {
  next(...search: Parameters<Outbox['next']>): DueDelivery | null;
  /** A delivery that can be read, and the bytes that it was read from: as text, damaged ones would not be what is stored. */
  find(id: string): { readonly delivery: Delivery; readonly document: Uint8Array } | null;
  list(mediaId: string): readonly Delivery[];
  page(query: DeliveryQuery): DeliveryPage;
}

/** Most deliveries in the list of one image: an image that keeps failing gets one each time it is requested again. */
const MAX_LISTED = 100;

/** A row that is whole JSON; any other is passed over, so that it does not stop the deliveries of all other images. */
const IS_READABLE = 'json_valid(document) AND json_valid(image)';

/** The reads of the outbox in the table `deliveries` of the database of `sql`. */
export function openOutbox(sql: SqliteDatabase['sql']): SqliteOutbox {
  return {
    next({ ids, receivers }, horizon) {
      const first = (condition: string) =>
        sql(`
          SELECT document, image, receiver, due_at FROM deliveries INDEXED BY deliveries_due
          WHERE ${condition} AND ${IS_READABLE}
            AND id NOT IN (SELECT value FROM json_each(?)) AND receiver NOT IN (SELECT value FROM json_each(?))
          ORDER BY due_at LIMIT 1`).get(horizon, JSON.stringify(ids), JSON.stringify(receivers));
      const row = first('due_at > ?') ?? first('due_at <= ?');
      if (!row) return null;
      return {
        delivery: readDelivery(row),
        image: JSON.parse(String(row.image)) as Image,
        receiver: String(row.receiver),
        dueAt: Number(row.due_at),
      };
    },

    find(id) {
      const row = sql(`
        SELECT document, CAST(document AS BLOB) AS bytes FROM deliveries WHERE id = ? AND ${IS_READABLE}`).get(id);
      return row ? { delivery: readDelivery(row), document: row.bytes as Uint8Array } : null;
    },

    list: (mediaId) =>
      sql(`
        SELECT document FROM deliveries WHERE media_id = ? AND image_removed = 0 AND ${IS_READABLE}
        ORDER BY number DESC LIMIT ${MAX_LISTED}`)
        .all(mediaId)
        .map(readDelivery),

    page(query) {
      const { limit } = query;
      const { text, values } = pageStatement(query);
      const rows = sql(text).all(...values, limit + 1);
      const items = rows.slice(0, limit).map(readDelivery);
      const last = rows[limit - 1];
      return { items, nextCursor: rows.length > limit ? encodeNumber(Number(last?.number)) : null };
    },
  };
}

/**
 * The SQL for a page, and the values to bind before the limit. With an owner each state has a search of its own, which one index gives in
 * order and SQLite merges.
 */
function pageStatement({ state, owner, cursor }: DeliveryQuery): {
  readonly text: string;
  readonly values: readonly (string | number)[];
} {
  const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeNumber(cursor);
  const states = state !== null ? [state] : owner !== null ? DELIVERY_STATES : [null];
  const searches = states.map((one) => {
    const conditions = [
      ...(owner === null ? [] : ['owner = ?']),
      ...(one === null ? [] : ['state = ?']),
      'number < ?',
      IS_READABLE,
    ];
    return `SELECT number, document FROM deliveries WHERE ${conditions.join(' AND ')}`;
  });
  return {
    text: `${searches.join(' UNION ALL ')} ORDER BY number DESC LIMIT ?`,
    values: states.flatMap((one) => [...(owner === null ? [] : [owner]), ...(one === null ? [] : [one]), before]),
  };
}

/** Inserts the delivery that a write causes, with the image as the write leaves it. */
export function deliverySteps({ delivery, receiver }: NewDelivery, { image, document }: StoredImage): readonly Step[] {
  const columns = { id: delivery.id, mediaId: image.mediaId, receiver, dueAt: dueAt(delivery) };
  return [
    run(
      `
      INSERT INTO deliveries (id, media_id, receiver, due_at, document, image)
      VALUES (:id, :mediaId, :receiver, :dueAt, :document, :image)`,
      { ...columns, document: JSON.stringify(delivery), image: document },
    ),
  ];
}

/** For the write that deletes an image: its pending deliveries stay, the others go with it. */
export function imageRemovedSteps(mediaId: string): readonly Step[] {
  return [run('UPDATE deliveries SET image_removed = 1 WHERE media_id = ?', [mediaId]), pruneStep(mediaId)];
}

/** Stores a changed delivery; stopped as `CHANGED` where it is no longer what `before` was read from. */
export function deliveryUpdateSteps(before: Uint8Array, delivery: Delivery): readonly Step[] {
  return [
    stopUnless(CHANGED, 'SELECT 1 FROM deliveries WHERE id = ? AND CAST(document AS BLOB) = ?', [delivery.id, before]),
    run('UPDATE deliveries SET due_at = ?, document = ? WHERE id = ?', [
      dueAt(delivery),
      JSON.stringify(delivery),
      delivery.id,
    ]),
    ...(delivery.status === 'pending' ? [] : [pruneStep(delivery.mediaId)]),
  ];
}

/** Removes the settled deliveries about an image that are not kept. */
function pruneStep(mediaId: string): Step {
  return run(
    `
    DELETE FROM deliveries
    WHERE media_id = :mediaId AND due_at IS NULL AND (image_removed = 1 OR number NOT IN (
      SELECT number FROM deliveries WHERE media_id = :mediaId AND image_removed = 0 AND due_at IS NULL
      ORDER BY number DESC LIMIT ${KEPT_DELIVERIES}))`,
    { mediaId },
  );
}

function dueAt({ nextAttemptAt }: Delivery): number | null {
  return nextAttemptAt === null ? null : Date.parse(nextAttemptAt);
}

function readDelivery(row: Row): Delivery {
  return JSON.parse(String(row.document)) as Delivery;
}
