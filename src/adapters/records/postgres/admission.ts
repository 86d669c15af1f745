import type { Statements } from '../../postgres/database.ts';

/**
 * From so many free places on, writes count the queue without waiting for each other; with fewer, one after the other. The limit is exact as
 * long as the writes that are under way at one moment, in all replicas, would queue no more images than this: a replica has at most as
 * many under way as it has connections (`DATABASE_POOL`), so 20 replicas of 10 connections each with one image a request.
 */
export const QUEUE_MARGIN = 200;

/**
 * Whether the queue of the cluster has room for `more` images, which are to be queued by the same transaction. The answer holds until that
 * ends. Call it before the transaction has locked a row.
 */
export async function hasRoom({ look }: Statements, more: number, queueLimit: number): Promise<boolean> {
  if (!Number.isFinite(queueLimit)) return true;
  const [row] = await look('SELECT easel.queue_has_room($1::bigint, $2::bigint, $3::bigint) AS room', [
    more,
    queueLimit,
    QUEUE_MARGIN,
  ]);
  return row?.room === true;
}
