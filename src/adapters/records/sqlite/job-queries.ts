import { IMAGE_STATUSES, type ImageStatus } from '../../../core/domain/image.ts';
import { timeOf } from '../rows.ts';
import type { SqliteDatabase } from './database.ts';
import { IS_READABLE } from './schema/unreadable.ts';

/** The reads about what is to be done, and how many images there are; each promises what the port's method of that name does. */
export interface SqliteJobQueries {
  /** Number of images with the status `queued`. */
  queued(): number;
  oldestQueued(): string | null;
  unfinished(): readonly string[];
  countByStatus(): Readonly<Record<ImageStatus, number>>;
}

/** Number of queued images; no row before there was one. */
export const QUEUED = `SELECT images FROM totals WHERE status = 'queued'`;

export function openJobQueries(sql: SqliteDatabase['sql']): SqliteJobQueries {
  return {
    queued: () => Number(sql(QUEUED).get()?.images ?? 0),

    oldestQueued() {
      const row = sql(`
        SELECT min(requested_at) AS oldest FROM images INDEXED BY images_unfinished
        WHERE status IN ('queued', 'generating', 'processing') AND status = 'queued'`).get();
      return timeOf(row?.oldest ?? null);
    },

    unfinished: () =>
      [
        ...sql(`
          SELECT media_id FROM images INDEXED BY images_unfinished
          WHERE status IN ('queued', 'generating', 'processing') AND ${IS_READABLE}
          ORDER BY created_at, media_id`).all(),
        ...sql(`
          SELECT media_id FROM images INDEXED BY images_pending
          WHERE json_array_length(document, '$.pending') > 0 AND ${IS_READABLE}
          ORDER BY created_at, media_id`).all(),
      ].map((row) => String(row.media_id)),

    countByStatus() {
      const rows = sql('SELECT status, images FROM totals').all();
      const counts = new Map(rows.map((row) => [row.status, Number(row.images)]));
      return Object.fromEntries(IMAGE_STATUSES.map((status) => [status, counts.get(status) ?? 0])) as Record<
        ImageStatus,
        number
      >;
    },
  };
}
