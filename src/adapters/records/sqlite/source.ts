import { existsSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { Delivery } from '../../../core/domain/delivery.ts';
import type { Quality } from '../../../core/domain/formats.ts';
import type { Image } from '../../../core/domain/image.ts';
import type { RecordRest, RecordSource } from '../../../core/ports/record-transfer.ts';
import { parseImage, readCleanup, readDeletion } from '../rows.ts';
import { asImageError, unavailable } from './errors.ts';
import { readSpending } from './ledger.ts';
import { lockDatabase } from './lock.ts';
import { SCHEMA_VERSION, schemaVersion } from './schema/migrations.ts';
import { IS_READABLE } from './schema/unreadable.ts';
import type { Row } from './writer/write.ts';

/**
 * Opens the database at `path` to be carried into another store. It is locked until `close`, and nothing in it is changed. Raises
 * `DatabaseInUseError` while another process uses it, and `ImageError` where there is none, or it cannot be read, or it is of another
 * Easel than this one.
 */
export function openSqliteSource(path: string): RecordSource {
  if (!existsSync(path)) throw unavailable(`there is no database ${path}`);
  const lock = lockDatabase(path);
  try {
    const database = new DatabaseSync(path, { readOnly: true });
    const { identity } = checkedOrClosed(database, path);
    return source({ database, path, identity, unlock: lock.release });
  } catch (error) {
    lock.release();
    throw asImageError(error, path);
  }
}

/** Closes the database where it cannot be taken over. */
function checkedOrClosed(database: DatabaseSync, path: string): { readonly identity: string } {
  try {
    const version = schemaVersion(database);
    if (version > SCHEMA_VERSION) {
      throw unavailable(
        `the database ${path} has schema ${version} and this Easel knows up to ${SCHEMA_VERSION}: ` +
          'migrate with the newer Easel that wrote it',
      );
    }
    const identity = version < SCHEMA_VERSION ? undefined : database.prepare('SELECT uuid FROM identity').get()?.uuid;
    if (identity === undefined) {
      throw unavailable(
        `the database ${path} is of an older Easel, or new: ` +
          'start this Easel with it once, which brings it up to date, stop it, and migrate',
      );
    }
    return { identity: String(identity) };
  } catch (error) {
    database.close();
    throw error;
  }
}

interface OpenedSource {
  readonly database: DatabaseSync;
  readonly path: string;
  readonly identity: string;
  unlock(): void;
}

function source({ database, path, identity, unlock }: OpenedSource): RecordSource {
  const all = (text: string, ...values: SQLInputValue[]) => {
    try {
      return database.prepare(text).all(...values);
    } catch (error) {
      throw asImageError(error, path);
    }
  };

  return {
    identity,
    countImages: () => all(COUNT_IMAGES).reduce((sum, { count }) => sum + Number(count), 0),
    images: (after, limit) =>
      all(
        `SELECT media_id, document FROM images WHERE media_id > ? AND ${IS_READABLE} ORDER BY media_id LIMIT ?`,
        after ?? '',
        limit,
      ).map(parseImage),
    unreadable: () => all(UNREADABLE).map(({ media_id }) => String(media_id)),
    deliveries: (after, limit) =>
      all(DELIVERIES, after, limit).map(({ number, document, image, receiver, image_removed }) => ({
        number: Number(number),
        delivery: JSON.parse(String(document)) as Delivery,
        image: JSON.parse(String(image)) as Image,
        receiver: String(receiver),
        imageRemoved: Number(image_removed) === 1,
      })),
    rest: () => readRest(all),
    close() {
      if (database.isOpen) database.close();
      unlock();
    },
  };
}

function readRest(rows: (text: string) => Row[]): RecordRest {
  const [cleanup] = rows('SELECT report FROM last_cleanup');
  return {
    spending: rows('SELECT * FROM spending ORDER BY day, owner, model').map((row) => {
      const spending = readSpending(row);
      return spending.day === '' ? { ...spending, day: null } : spending;
    }),
    largestUsage: rows('SELECT * FROM largest_usage').map(({ model, quality, size, output_tokens }) => {
      const [width, height] = String(size).split('x').map(Number) as [number, number];
      return {
        model: String(model),
        quality: String(quality) as Quality,
        size: { width, height },
        outputTokens: Number(output_tokens),
      };
    }),
    deletions: rows('SELECT media_id, names FROM deletions WHERE json_valid(names)').map(readDeletion),
    lastCleanup: cleanup ? readCleanup(cleanup) : null,
  };
}

const COUNT_IMAGES = `
  SELECT count(*) AS count FROM images
  UNION ALL SELECT count(*) FROM unreadable_images`;

const UNREADABLE = `
  SELECT media_id FROM images WHERE NOT ${IS_READABLE}
  UNION ALL SELECT media_id FROM unreadable_images
  UNION ALL SELECT media_id FROM deletions WHERE NOT json_valid(names)
  ORDER BY media_id`;

/** Damaged ones are left out: no service would send them either. */
const DELIVERIES = `
  SELECT number, document, image, receiver, image_removed FROM deliveries
  WHERE number > ? AND json_valid(document) AND json_valid(image) ORDER BY number LIMIT ?`;
