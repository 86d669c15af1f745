import { mediaIdOf } from '../../../core/domain/file-names.ts';
import { formatSize } from '../../../core/domain/geometry.ts';
import { IMAGE_STATUSES, type Image } from '../../../core/domain/image.ts';
import type { Derive, RecordStore } from '../../../core/ports/record-store.ts';
import { damaged, parseImage, readCleanup, readDeletion, readImage, timeOf } from '../rows.ts';
import { IS_READABLE } from './readable.ts';
import type { Transactions } from './transactions.ts';

/** The reads of the `RecordStore` about single images and all; each promises what the port's method of that name does. */
type PostgresQueries = Pick<
  RecordStore,
  | 'get'
  | 'findByKey'
  | 'oldestQueued'
  | 'unfinished'
  | 'countByStatus'
  | 'largestUsage'
  | 'lastCleanup'
  | 'pendingDeletions'
  | 'unreadable'
  | 'ownedNames'
  | 'countSharing'
>;

/** A document, or null where it cannot be read. */
const READABLE_DOCUMENT = `CASE WHEN ${IS_READABLE} THEN document END AS document`;

/** The reads, on the tables of the records. `derive` gives the names that an image owns. */
export function openQueries(read: Transactions['read'], derive: Derive): PostgresQueries {
  const countSharing = async (names: readonly string[], owner: string | null): Promise<ReadonlyMap<string, number>> => {
    if (names.length === 0) return new Map();
    // Without the table of images: one that cannot be read counts, too.
    const text =
      owner === null
        ? 'SELECT name, count(*) AS images FROM easel.shared_files WHERE name = ANY ($1::text[]) GROUP BY name'
        : `SELECT name, count(*) AS images FROM easel.shared_files JOIN easel.images USING (media_id)
          WHERE name = ANY ($1::text[]) AND owner = $2 GROUP BY name`;
    const rows = await read(text, owner === null ? [names] : [names, owner]);
    return new Map(rows.map((row) => [String(row.name), Number(row.images)]));
  };

  return {
    async get(mediaId) {
      // Any text is asked for, and PostgreSQL takes none with a NUL.
      if (mediaId.includes('\0')) return null;
      return await orDamaged(mediaId, async () => {
        const [row] = await read('SELECT media_id, document FROM easel.images WHERE media_id = $1', [mediaId]);
        return readImage(row);
      });
    },

    async findByKey(owner, idempotencyKey) {
      if (idempotencyKey.includes('\0')) return null;
      const text = `SELECT media_id, ${READABLE_DOCUMENT} FROM easel.images WHERE owner = $1 AND idempotency_key = $2`;
      const [row] = await read(text, [owner, idempotencyKey]);
      return readImage(row);
    },

    async unfinished() {
      const search = (rank: number, condition: string) =>
        `SELECT ${rank} AS rank, created_at, media_id FROM easel.images WHERE ${condition} AND ${IS_READABLE}`;
      const rows = await read(
        `${search(1, "status IN ('queued', 'generating', 'processing')")}
        UNION ALL ${search(2, 'has_pending')}
        ORDER BY rank, created_at, media_id`,
      );
      return [...new Set(rows.map((row) => String(row.media_id)))];
    },

    async oldestQueued() {
      const [row] = await read("SELECT min(requested_at) AS oldest FROM easel.images WHERE status = 'queued'");
      return timeOf(row?.oldest ?? null);
    },

    async countByStatus() {
      const rows = await read('SELECT status, sum(images) AS images FROM easel.totals GROUP BY status');
      const counts = new Map(rows.map((row) => [row.status, Number(row.images)]));
      return Object.fromEntries(IMAGE_STATUSES.map((status) => [status, counts.get(status) ?? 0])) as Awaited<
        ReturnType<RecordStore['countByStatus']>
      >;
    },

    async largestUsage({ model, quality, size }) {
      const text = 'SELECT output_tokens FROM easel.largest_usage WHERE model = $1 AND quality = $2 AND size = $3';
      const [row] = await read(text, [model, quality, formatSize(size)]);
      return Number(row?.output_tokens ?? 0);
    },

    async lastCleanup() {
      const [row] = await read('SELECT report FROM easel.last_cleanup WHERE easel.is_json(report)');
      return row ? readCleanup(row) : null;
    },

    async pendingDeletions(mediaId) {
      if (mediaId?.includes('\0')) return [];
      const select = 'SELECT media_id, names FROM easel.deletions WHERE easel.is_json(names)';
      const rows =
        mediaId === undefined
          ? await read(`${select} ORDER BY media_id`)
          : await read(`${select} AND media_id = $1`, [mediaId]);
      return rows.map(readDeletion);
    },

    async unreadable() {
      const rows = await read(
        `SELECT media_id FROM easel.images
        WHERE status IN ('queued', 'generating', 'processing') AND NOT ${IS_READABLE}
        UNION
        SELECT media_id FROM easel.deletions WHERE NOT easel.is_json(names)
        ORDER BY media_id`,
      );
      return rows.map((row) => String(row.media_id));
    },

    async ownedNames(names) {
      const mediaIds = [...new Set(names.map(mediaIdOf))].filter((mediaId) => mediaId !== null);
      const [rows, shared] = await Promise.all([
        read(
          `SELECT media_id, ${READABLE_DOCUMENT}, NULL AS names FROM easel.images WHERE media_id = ANY ($1::text[])
          UNION ALL
          SELECT media_id, NULL, CASE WHEN easel.is_json(names) THEN names END FROM easel.deletions
          WHERE media_id = ANY ($1::text[])`,
          [mediaIds],
        ),
        countSharing(names, null),
      ]);
      const owned = new Set<string>(shared.keys());
      for (const row of rows) {
        for (const name of namesIn(row, derive) ?? names.filter((one) => mediaIdOf(one) === row.media_id))
          owned.add(name);
      }
      return new Set(names.filter((name) => owned.has(name)));
    },

    countSharing,
  };
}

/** The names that belong to an image or to a pending deletion; null where the row cannot be read. */
function namesIn(row: Readonly<Record<string, unknown>>, derive: Derive): readonly string[] | null {
  if (row.names !== null) return readDeletion(row).names;
  if (row.document === null) return null;
  const image: Image = parseImage(row);
  return derive(image, image).ownedNames;
}

/** Codes of damaged storage: https://www.postgresql.org/docs/current/errcodes-appendix.html, class XX. */
const INTERNAL_ERROR = /^XX/;

/** Does what reads one image. Damage of its row is a fault of that image alone. */
export async function orDamaged<T>(mediaId: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!INTERNAL_ERROR.test(code)) throw error;
    throw damaged(mediaId, `the record of ${mediaId} is damaged; restore it from a backup`);
  }
}
