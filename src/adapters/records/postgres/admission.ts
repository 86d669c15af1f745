import type { Statements } from '../../postgres/database.ts';

/**
 * From so many free places on, writes of one image count the queue without waiting for each other; with fewer, one after the other, as
 * those of several images always do. The limit is exact since no more writes are under way at one moment than the server takes connections.
 */
const MARGIN = `current_setting('max_connections')::bigint`;

/**
 * Whether the queue of the cluster has room for `more` images, which are to be queued by the same transaction. The answer holds until that
 * ends. Call it before the transaction has locked a row.
 */
export async function hasRoom({ look }: Statements, more: number, queueLimit: number): Promise<boolean> {
  if (!Number.isFinite(queueLimit)) return true;
  const margin = more === 1 ? MARGIN : String(Number.MAX_SAFE_INTEGER);
  const [row] = await look(`SELECT easel.queue_has_room($1::bigint, $2::bigint, ${margin}) AS room`, [
    more,
    queueLimit,
  ]);
  return row?.room === true;
}
