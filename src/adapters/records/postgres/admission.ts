import { ImageError } from '../../../core/domain/errors.ts';
import type { Row, Statements } from '../../postgres/database.ts';
import { readDeletion } from '../rows.ts';

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

/** Rolls back a write that meets a mediaId or key that is taken. */
class TakenError extends Error {
  override readonly name = 'TakenError';
}

/** Raises where an image was not added, as one has its mediaId or key. */
export function refuseTaken(areAllNew: boolean): void {
  if (!areAllNew) throw new TakenError();
}

/** What that error says; raises any other. */
export function asTaken(error: unknown): 'taken' {
  if (error instanceof TakenError) return 'taken';
  throw error;
}

/** Refuses a mediaId while its deletion is pending: the new image would publish under names that are about to be removed. */
export function refusePending(row: Row | undefined): void {
  if (row === undefined) return;
  const { mediaId } = readDeletion(row);
  const detail = `the files of the earlier image ${mediaId} are still being removed`;
  throw new ImageError('storage_unavailable', detail, { retryAfterSeconds: 1, mediaId });
}
