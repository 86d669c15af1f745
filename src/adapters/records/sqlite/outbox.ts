import type { Delivery } from '../../../core/domain/delivery.ts';
import type { Image } from '../../../core/domain/image.ts';
import type { NewDelivery } from '../../../core/ports/record-store.ts';
import { type DueDelivery, KEPT_DELIVERIES, type Outbox } from '../../../core/ports/webhooks.ts';
import type { SqliteDatabase } from './database.ts';
import type { Row } from './rows.ts';

/** The port's `Outbox` over the deliveries table, synchronous. */
interface SqliteOutbox {
  /** Inserts the delivery that a write causes, with the image as the write leaves it. Call inside the write's transaction. */
  record(delivery: NewDelivery, image: Image): void;
  next(...search: Parameters<Outbox['next']>): DueDelivery | null;
  /** Call inside the transaction that deletes the image: its pending deliveries stay, the others go with it. */
  imageRemoved(mediaId: string): void;
  /** Call inside a transaction. */
  update(id: string, change: (delivery: Delivery) => Delivery): Delivery | null;
  list(mediaId: string): readonly Delivery[];
  onNew(listener: () => void): void;
}

/** Most deliveries in the list of one image: an image that keeps failing gets one each time it is requested again. */
const MAX_LISTED = 100;

/** A row that is whole JSON; any other is passed over, so that it does not stop the deliveries of all other images. */
const IS_READABLE = 'json_valid(document) AND json_valid(image)';

/** The outbox in the table `deliveries` of the database of `sql`. */
export function openOutbox(sql: SqliteDatabase['sql']): SqliteOutbox {
  let listener = (): void => undefined;
  // Transactions are synchronous, so the microtask runs after the commit. After a rollback the listener finds nothing new.
  const notify = () => queueMicrotask(() => listener());

  /** Removes the settled deliveries about an image that are not kept. */
  const prune = (mediaId: string): void => {
    sql(`
      DELETE FROM deliveries
      WHERE media_id = :mediaId AND due_at IS NULL AND (image_removed = 1 OR number NOT IN (
        SELECT number FROM deliveries WHERE media_id = :mediaId AND image_removed = 0 AND due_at IS NULL
        ORDER BY number DESC LIMIT ${KEPT_DELIVERIES}))`).run({ mediaId });
  };

  return {
    record({ delivery, receiver }, image) {
      sql(`
        INSERT INTO deliveries (id, media_id, receiver, due_at, document, image)
        VALUES (:id, :mediaId, :receiver, :dueAt, :document, :image)`).run({
        id: delivery.id,
        mediaId: image.mediaId,
        receiver,
        dueAt: dueAt(delivery),
        document: JSON.stringify(delivery),
        image: JSON.stringify(image),
      });
      notify();
    },

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

    imageRemoved(mediaId) {
      sql('UPDATE deliveries SET image_removed = 1 WHERE media_id = ?').run(mediaId);
      prune(mediaId);
    },

    update(id, change) {
      const row = sql(`SELECT media_id, document FROM deliveries WHERE id = ? AND ${IS_READABLE}`).get(id);
      if (!row) return null;
      const delivery = change(readDelivery(row));
      sql('UPDATE deliveries SET due_at = ?, document = ? WHERE id = ?').run(
        dueAt(delivery),
        JSON.stringify(delivery),
        id,
      );
      if (delivery.status !== 'pending') prune(String(row.media_id));
      notify();
      return delivery;
    },

    list: (mediaId) =>
      sql(`
        SELECT document FROM deliveries WHERE media_id = ? AND image_removed = 0 AND ${IS_READABLE}
        ORDER BY number DESC LIMIT ${MAX_LISTED}`)
        .all(mediaId)
        .map(readDelivery),

    onNew(callback) {
      listener = callback;
    },
  };
}

function dueAt({ nextAttemptAt }: Delivery): number | null {
  return nextAttemptAt === null ? null : Date.parse(nextAttemptAt);
}

function readDelivery(row: Row): Delivery {
  return JSON.parse(String(row.document)) as Delivery;
}
