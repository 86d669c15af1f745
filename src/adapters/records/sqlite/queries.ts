import { ImageError } from '../../../core/domain/errors.ts';
import { mediaIdOf } from '../../../core/domain/file-names.ts';
import { formatSize } from '../../../core/domain/geometry.ts';
import { FINISHED_STATUSES, type Image } from '../../../core/domain/image.ts';
import type {
  CallQuery,
  Deletion,
  Derive,
  FoundCall,
  LastCleanup,
  Place,
  RetentionQuery,
  UsageKey,
} from '../../../core/ports/record-store.ts';
import { NEVER, placeKeyOf, readCleanup, readDeletion, readImage, readStored, type StoredImage } from '../rows.ts';
import { openCallQueries } from './call-queries.ts';
import type { SqliteDatabase } from './database.ts';
import { openJobQueries, type SqliteJobQueries } from './job-queries.ts';
import { openLists, type SqliteLists } from './lists.ts';
import { IS_READABLE } from './schema/unreadable.ts';
import { countSharing } from './shared-files.ts';
import type { Row } from './writer/write.ts';

/** The reads of the `RecordStore`, synchronous; each promises what the port's method of that name does. */
interface SqliteQueries extends SqliteLists, SqliteJobQueries {
  find(mediaId: string): StoredImage | null;
  findByKey(owner: string, idempotencyKey: string | null): Image | null;
  findCall(callId: string): readonly Image[];
  findCalls(query: CallQuery): readonly FoundCall[];
  findDeletion(mediaId: string): Deletion | null;
  expired(query: RetentionQuery): readonly Image[];
  oldest(limit: number, after: Place | null): readonly Image[];
  largestUsage(kind: UsageKey): number;
  lastCleanup(): LastCleanup | null;
  /** Null until it is made. */
  identity(): string | null;
  pendingDeletions(mediaId?: string): readonly Deletion[];
  unreadable(): readonly string[];
  ownedNames(names: readonly string[]): ReadonlySet<string>;
  countSharing(names: readonly string[], owner: string | null): ReadonlyMap<string, number>;
}

/** Statements that a write runs too, within its transaction. */
export const FIND_IMAGE = `
  SELECT media_id, document FROM images WHERE media_id = :mediaId
  UNION ALL SELECT media_id, document FROM unreadable_images WHERE media_id = :mediaId`;

export const FIND_BY_KEY = `
  SELECT media_id, document FROM images WHERE owner = :owner AND idempotency_key = :idempotencyKey
  UNION ALL
  SELECT media_id, document FROM unreadable_images WHERE owner = :owner AND idempotency_key = :idempotencyKey`;

export const FIND_DELETION = 'SELECT media_id, names FROM deletions WHERE media_id = ?';

export const IDENTITY = 'SELECT uuid FROM identity';

/** The reads, on the database of `sql`. `derive` gives the names that an image owns. */
export function openQueries(sql: SqliteDatabase['sql'], derive: Derive): SqliteQueries {
  const find = (mediaId: string): StoredImage | null =>
    readStored(
      sql(FIND_IMAGE).get({ mediaId }),
      () =>
        sql('SELECT CAST(document AS BLOB) AS bytes FROM images WHERE media_id = ?').get(mediaId)?.bytes as Uint8Array,
    );

  const findDeletion = (mediaId: string): Deletion | null => {
    const row = sql(FIND_DELETION).get(mediaId);
    return row ? readDeletion(row) : null;
  };

  /** What `read` gives, or null where it meets a row that cannot be read. */
  const readable = <T>(read: () => T): T | null => {
    try {
      return read();
    } catch (error) {
      if (error instanceof ImageError) return null;
      throw error;
    }
  };

  const ownedBy = (mediaId: string): readonly string[] => {
    const image = find(mediaId)?.image;
    return [...(image ? derive(image, image).ownedNames : []), ...(findDeletion(mediaId)?.names ?? [])];
  };

  /** The images at the first places that `search` finds after `after`; it goes on while none of them can be read. */
  const oldestFirst = (
    search: (from: ReturnType<typeof placeKeyOf>) => readonly Row[],
    limit: number,
    after: Place | null,
  ): readonly Image[] => {
    for (let from = placeKeyOf(after); ; ) {
      const places = search(from)
        .map((row) => [Number(row.requested_at), String(row.media_id)] as const)
        .sort(([timeA, idA], [timeB, idB]) => timeA - timeB || (idA < idB ? -1 : 1))
        .slice(0, limit);
      const images = places.flatMap(([, mediaId]) => readable(() => find(mediaId))?.image ?? []);
      const last = places.at(-1);
      if (images.length > 0 || last === undefined) return images;
      from = last;
    }
  };

  return {
    find,

    findByKey: (owner, idempotencyKey) =>
      idempotencyKey === null ? null : readImage(sql(FIND_BY_KEY).get({ owner, idempotencyKey })),

    ...openCallQueries(sql),
    findDeletion,

    ...openJobQueries(sql),

    ...openLists(sql),

    expired({ now, requestedBefore, status, limit, after }) {
      // One search per status and reason, so that only expired images are read. The index has to be named: SQLite would
      // choose the one ordered by requestedAt, and scan every image that has not expired.
      const statuses = FINISHED_STATUSES.filter((one) => status === null || one === status);
      const search = (from: ReturnType<typeof placeKeyOf>) =>
        statuses.flatMap((one) => [
          ...sql(`
            SELECT requested_at, media_id FROM images INDEXED BY images_by_expiry
            WHERE status = ? AND expires_at <= ? AND (requested_at, media_id) > (?, ?)
            ORDER BY requested_at, media_id LIMIT ?`).all(one, now, ...from, limit),
          ...(requestedBefore === null
            ? []
            : sql(`
                SELECT requested_at, media_id FROM images INDEXED BY images_by_expiry
                WHERE status = ? AND expires_at IS NULL AND requested_at <= ? AND (requested_at, media_id) > (?, ?)
                ORDER BY requested_at, media_id LIMIT ?`).all(one, requestedBefore, ...from, limit)),
        ]);
      return oldestFirst(search, limit, after);
    },

    oldest(limit, after) {
      const search = (from: ReturnType<typeof placeKeyOf>) =>
        FINISHED_STATUSES.flatMap((one) =>
          sql(`
            SELECT requested_at, media_id FROM images INDEXED BY images_by_request
            WHERE status = ? AND (requested_at, media_id) > (?, ?) AND ifnull(expires_at, 0) < ${NEVER}
            ORDER BY requested_at, media_id LIMIT ?`).all(one, ...from, limit),
        );
      return oldestFirst(search, limit, after);
    },

    largestUsage({ model, quality, size }) {
      const row = sql('SELECT output_tokens FROM largest_usage WHERE model = ? AND quality = ? AND size = ?').get(
        model,
        quality,
        formatSize(size),
      );
      return Number(row?.output_tokens ?? 0);
    },

    lastCleanup() {
      const row = sql('SELECT report FROM last_cleanup WHERE json_valid(report)').get();
      return row ? readCleanup(row) : null;
    },

    identity() {
      const row = sql(IDENTITY).get();
      return row ? String(row.uuid) : null;
    },

    pendingDeletions(mediaId) {
      const select = 'SELECT media_id, names FROM deletions WHERE json_valid(names)';
      const rows =
        mediaId === undefined
          ? sql(`${select} ORDER BY media_id`).all()
          : sql(`${select} AND media_id = :mediaId`).all({ mediaId });
      return rows.map(readDeletion);
    },

    unreadable: () =>
      sql(`
        SELECT media_id FROM unreadable_images
        UNION
        SELECT media_id FROM images INDEXED BY images_unfinished
          WHERE status IN ('queued', 'generating', 'processing') AND NOT ${IS_READABLE}
        UNION
        SELECT media_id FROM deletions WHERE NOT json_valid(names)`)
        .all()
        .map((row) => String(row.media_id)),

    ownedNames(names) {
      const owned = new Set<string>();
      for (const mediaId of new Set(names.map(mediaIdOf))) {
        if (mediaId === null) continue;
        for (const name of readable(() => ownedBy(mediaId)) ?? names.filter((one) => mediaIdOf(one) === mediaId))
          owned.add(name);
      }
      for (const name of countSharing(sql, names, null).keys()) owned.add(name);
      return new Set(names.filter((name) => owned.has(name)));
    },

    countSharing: (names, owner) => countSharing(sql, names, owner),
  };
}
