import { LRUCache } from 'lru-cache';
import { DELIVERY_STATES, type Delivery } from '../../../core/domain/delivery.ts';
import type { Image } from '../../../core/domain/image.ts';
import type { NewDelivery } from '../../../core/ports/record-store.ts';
import { type DeliveryQuery, KEPT_DELIVERIES, type Outbox } from '../../../core/ports/webhooks.ts';
import { allOf, type Row, type Statements } from '../../postgres/database.ts';
import { decodeNumber, encodeNumber } from '../cursor.ts';
import type { StoredImage } from '../rows.ts';
import type { TakeTurns } from '../turns.ts';
import { type Transactions, XID } from './transactions.ts';

/** Most deliveries in the list of one image: an image that keeps failing gets one each time it is requested again. */
const MAX_LISTED = 100;
/** Deliveries of which is remembered when they were seen to be due. */
const MAX_SEEN = 1_000;

/** Rows that are whole JSON; any other is passed over, so that it does not stop the deliveries of all other images. */
const IS_READABLE = 'easel.is_json(document) AND easel.is_json(image)';
/** By the clock of the database, which all replicas have in common. */
const NOW_MS = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint';

interface OutboxParts {
  readonly transactions: Transactions;
  readonly turns: TakeTurns;
  /** Called when a delivery was changed here, and whether it is due again. */
  readonly onChanged: (isDue: boolean) => void;
}

/**
 * The outbox in the table `deliveries`. A claim moves the delivery's due time to the end of its lease, so that `next` of every replica
 * gives others first, and this one again once the lease has lapsed.
 */
export function openOutbox({ transactions, turns, onChanged }: OutboxParts): Omit<Outbox, 'onNew'> {
  const { read, write } = transactions;
  /** When deliveries were due that `next` gave: one that was tried meanwhile is not claimed. */
  const seen = new LRUCache<string, number>({ max: MAX_SEEN });

  const first = (rank: number, condition: string) => `
    (SELECT ${rank} AS rank, document, image, receiver, due_at FROM easel.deliveries
    WHERE ${condition} AND id <> ALL ($2::text[]) AND receiver <> ALL ($3::text[]) AND ${IS_READABLE}
    ORDER BY due_at, receiver, id LIMIT 1)`;

  return {
    async next({ ids, receivers }, horizon) {
      const [row] = await read(
        `${first(1, 'due_at > $1')} UNION ALL ${first(2, 'due_at <= $1')} ORDER BY rank LIMIT 1`,
        [Math.min(horizon, Number.MAX_SAFE_INTEGER), ids, receivers],
      );
      if (!row) return null;
      const delivery = readDelivery(row);
      const dueAt = Number(row.due_at);
      seen.set(delivery.id, dueAt);
      return { delivery, image: JSON.parse(String(row.image)) as Image, receiver: String(row.receiver), dueAt };
    },

    async claim(id, leaseMs) {
      const dueAt = seen.get(id) ?? null;
      seen.delete(id);
      const isClaimed = await write(async ({ run }, note) => {
        const [row] = await run(
          `UPDATE easel.deliveries SET leased_until = ${NOW_MS} + $2::bigint, due_at = ${NOW_MS} + $2::bigint
          WHERE id = $1 AND due_at IS NOT NULL AND coalesce(leased_until, 0) <= ${NOW_MS}
            AND due_at = coalesce($3::bigint, due_at)
          RETURNING ${XID}`,
          [id, Math.ceil(leaseMs), dueAt],
        );
        note(row);
        return row !== undefined;
      });
      return isClaimed;
    },

    update: (id, change) =>
      turns(id, async () => {
        const result = await write(async (statements, note) => {
          const { look, run } = statements;
          const [row] = await look(
            `SELECT document, ${XID} FROM easel.deliveries WHERE id = $1 AND ${IS_READABLE} FOR UPDATE`,
            [id],
          );
          note(row);
          if (!row) return null;
          const delivery = change(readDelivery(row));
          const written = run(
            'UPDATE easel.deliveries SET due_at = $2::bigint, leased_until = NULL, document = $3 WHERE id = $1',
            [id, dueAtOf(delivery), JSON.stringify(delivery)],
          );
          const pruned = delivery.status === 'pending' ? null : prune(statements, delivery.mediaId);
          await allOf([written, pruned]);
          return delivery;
        });
        if (result) onChanged(dueAtOf(result) !== null);
        return result;
      }),

    async list(mediaId) {
      if (mediaId.includes('\0')) return [];
      const rows = await read(
        `SELECT document FROM easel.deliveries WHERE media_id = $1 AND NOT image_removed AND ${IS_READABLE}
        ORDER BY number DESC LIMIT ${MAX_LISTED}`,
        [mediaId],
      );
      return rows.map(readDelivery);
    },

    async page(query) {
      const { limit } = query;
      const { text, values } = pageStatement(query);
      const rows = await read(text, values);
      const items = rows.slice(0, limit).map(readDelivery);
      const last = rows[limit - 1];
      return { items, nextCursor: rows.length > limit ? encodeNumber(Number(last?.number)) : null };
    },
  };
}

/** The SQL for a page. With an owner each state has a search of its own, which one index gives in order. */
function pageStatement({ state, owner, cursor, limit }: DeliveryQuery): {
  readonly text: string;
  readonly values: readonly unknown[];
} {
  const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : decodeNumber(cursor);
  const states = state !== null ? [state] : owner !== null ? DELIVERY_STATES : [null];
  const end = 'ORDER BY number DESC LIMIT $2::bigint';
  const searches = states.map((one) => {
    const conditions = [
      'number < $1::bigint',
      ...(owner === null ? [] : ['easel.owner_of(image) = $3::text']),
      // A text: one plan serves all pages of a state.
      ...(one === null ? [] : [`easel.delivery_state(document) = '${one}'`]),
      IS_READABLE,
    ];
    return `(SELECT number, document FROM easel.deliveries WHERE ${conditions.join(' AND ')} ${end})`;
  });
  return {
    text: `SELECT number, document FROM (${searches.join(' UNION ALL ')}) AS found ${end}`,
    values: [before, limit + 1, ...(owner === null ? [] : [owner])],
  };
}

/** Inserts the delivery that a write causes, with the image as the write leaves it. */
export async function insertDelivery(
  { run }: Statements,
  { delivery, receiver }: NewDelivery,
  { image, document }: StoredImage,
): Promise<void> {
  await run(
    'INSERT INTO easel.deliveries (id, media_id, receiver, due_at, document, image) VALUES ($1, $2, $3, $4, $5, $6)',
    [delivery.id, image.mediaId, receiver, dueAtOf(delivery), JSON.stringify(delivery), document],
  );
}

/** For the write that deletes an image: its pending deliveries stay, the others go with it. */
export async function detachDeliveries(statements: Statements, mediaId: string): Promise<void> {
  await statements.run('UPDATE easel.deliveries SET image_removed = true WHERE media_id = $1', [mediaId]);
  await prune(statements, mediaId);
}

/** Removes the settled deliveries about an image that are not kept. */
async function prune({ run }: Statements, mediaId: string): Promise<void> {
  await run(
    `DELETE FROM easel.deliveries
    WHERE media_id = $1 AND due_at IS NULL AND (image_removed OR number NOT IN (
      SELECT number FROM easel.deliveries WHERE media_id = $1 AND NOT image_removed AND due_at IS NULL
      ORDER BY number DESC LIMIT ${KEPT_DELIVERIES}))`,
    [mediaId],
  );
}

function dueAtOf({ nextAttemptAt }: Delivery): number | null {
  return nextAttemptAt === null ? null : Date.parse(nextAttemptAt);
}

function readDelivery(row: Row): Delivery {
  return JSON.parse(String(row.document)) as Delivery;
}
