import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { LRUCache } from 'lru-cache';
import { ImageError } from '../images/errors.ts';
import {
  IMAGE_STATUSES,
  type Image,
  type ImageStatus,
  isFinished,
  mediaIdOf,
  PINNED,
  storedBytes,
} from '../images/image.ts';
import type { Deletion, LastCleanup, Place, RecordStore, SpendingGuard } from '../images/ports.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { ownedNames, possibleNames } from './ownership.ts';
import { openSqliteBooks } from './sqlite-books.ts';
import { type DatabaseLock, lockDatabase } from './sqlite-lock.ts';
import { openSqliteOutbox } from './sqlite-outbox.ts';
import { migrate, SCHEMA_VERSION, schemaVersion } from './sqlite-schema.ts';

export interface SqliteRecordsOptions {
  /** The database file. It and its folder are made when they are missing. */
  readonly path: string;
  /** How long a write waits while another program, such as a backup, holds the database; the whole process waits with it. */
  readonly busyTimeoutMs?: number;
  /** Who is told of an image whose request names nobody, by the image's owner. */
  readonly webhookUrls?: ReadonlyMap<string, string>;
}

/**
 * Opens the records in an SQLite file that no other Easel process may use meanwhile, and brings its schema up to date.
 * Raises `DatabaseInUseError` when one does, and `ImageError` when the file cannot be made, read or understood.
 *
 * The port is asynchronous for databases that are far away. Here every method does its work before it returns: a read takes
 * microseconds and a write one fsync, an image needs about ten of them, and no other call can come between the statements
 * of a transaction. In return SQLite needs no server and no worker: the process stays at 45 MB where PGlite took 300 to 780.
 */
export function openSqliteRecords({
  path,
  busyTimeoutMs = 1000,
  webhookUrls = new Map(),
}: SqliteRecordsOptions): RecordStore {
  try {
    makeFolder(dirname(resolve(path)));
    const file = existsSync(path) ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path));
    const lock = takeLock(file);
    try {
      return recordStore(file, openDatabase(file, busyTimeoutMs), webhookUrls, lock.release);
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    throw asImageError(error, path);
  }
}

function takeLock(path: string): DatabaseLock {
  try {
    return lockDatabase(path);
  } catch (error) {
    throw asImageError(error, `${path}.lock`);
  }
}

/** Images that are kept as they were read; a popular picture is asked for thousands of times a second. */
const MOST_RECENT = 500;

function recordStore(
  path: string,
  database: DatabaseSync,
  webhookUrls: ReadonlyMap<string, string>,
  release: () => void,
): RecordStore {
  const { ino: inode } = statSync(path);
  const statements = new Map<string, StatementSync>();

  // What was read of late. No other process writes to this file, and all that is written here forgets what it changes.
  const recent = new LRUCache<string, Image>({ max: MOST_RECENT });

  const sql = (text: string): StatementSync => {
    const known = statements.get(text);
    if (known) return known;
    const statement = database.prepare(text);
    statements.set(text, statement);
    return statement;
  };

  const answer = async <T>(work: () => T): Promise<T> => {
    try {
      return work();
    } catch (error) {
      throw asImageError(error, path);
    }
  };

  const find = (mediaId: string): Image | null =>
    readImage(sql('SELECT document FROM images WHERE media_id = ?').get(mediaId));

  const findByKey = (owner: string, idempotencyKey: string | null): Image | null =>
    idempotencyKey === null
      ? null
      : readImage(
          sql('SELECT document FROM images WHERE owner = ? AND idempotency_key = ?').get(owner, idempotencyKey),
        );

  const queued = (): number => Number(sql(`SELECT images FROM totals WHERE status = 'queued'`).get()?.images ?? 0);

  const findDeletion = (mediaId: string): Deletion | null => {
    const row = sql('SELECT media_id, names FROM deletions WHERE media_id = ?').get(mediaId);
    return row ? readDeletion(row) : null;
  };

  const oldestFirst = (rows: readonly Row[], limit: number): readonly Image[] =>
    rows
      .map((row) => ({ createdAt: Number(row.created_at), mediaId: String(row.media_id) }))
      .sort((a, b) => a.createdAt - b.createdAt || (a.mediaId < b.mediaId ? -1 : 1))
      .slice(0, limit)
      .flatMap(({ mediaId }) => find(mediaId) ?? []);

  const writeLabels = (image: Image): void => {
    sql('DELETE FROM labels WHERE media_id = ?').run(image.mediaId);
    const insert = sql('INSERT INTO labels (media_id, label, created_at) VALUES (?, ?, ?)');
    for (const label of new Set(image.request.labels)) insert.run(image.mediaId, label, Date.parse(image.createdAt));
  };

  const books = openSqliteBooks(sql);
  const outbox = openSqliteOutbox(sql, webhookUrls);

  /** Gives what is stored after the change, or null where there is no such image. Call inside a transaction. */
  const rewrite = (
    mediaId: string,
    change: (image: Image) => Image | null,
    guard: SpendingGuard | undefined,
  ): Image | null => {
    const before = find(mediaId);
    if (!before) return null;
    const after = change(before);
    if (!after) return before;
    recent.delete(mediaId);
    if (after.mediaId !== mediaId) throw new TypeError(`an update cannot rename ${mediaId} to ${after.mediaId}`);
    sql(`
      UPDATE images SET
        owner = :owner, status = :status, fingerprint = :fingerprint, idempotency_key = :idempotencyKey,
        created_at = :createdAt, expires_at = :expiresAt, bytes = :bytes, document = :document
      WHERE media_id = :mediaId`).run(columnsOf(after));
    const { labels } = before.request;
    if (after.request.labels !== labels || after.createdAt !== before.createdAt) writeLabels(after);
    books.enter(before, after, guard);
    outbox.enter(before, after);
    return after;
  };

  return {
    outbox: {
      next: (except) => answer(() => outbox.next(except)),
      update: (id, change) => answer(() => inTransaction(database, () => outbox.update(id, change))),
      list: (mediaId) => answer(() => outbox.list(mediaId)),
      onNew: outbox.onNew,
    },

    accept: (image, queueLimit, guard) =>
      answer(() =>
        inTransaction(database, () => {
          const sameId = find(image.mediaId);
          if (sameId) return { outcome: 'exists', by: 'mediaId', image: sameId };
          const sameKey = findByKey(image.owner, image.idempotencyKey);
          if (sameKey) return { outcome: 'exists', by: 'idempotencyKey', image: sameKey };
          if (findDeletion(image.mediaId)) throw stillBeingRemoved(image.mediaId);
          if (queued() >= queueLimit) return { outcome: 'queue_full' };
          sql(`
            INSERT INTO images (
              media_id, owner, status, fingerprint, idempotency_key, created_at, expires_at, bytes, document
            ) VALUES (
              :mediaId, :owner, :status, :fingerprint, :idempotencyKey, :createdAt, :expiresAt, :bytes, :document
            )`).run(columnsOf(image));
          writeLabels(image);
          books.enter(null, image, guard);
          outbox.enter(null, image);
          return { outcome: 'accepted' };
        }),
      ),

    get: (mediaId) =>
      answer(() => {
        const known = recent.get(mediaId);
        if (known) return known;
        const image = find(mediaId);
        if (image) recent.set(mediaId, image);
        return image;
      }),

    findByKey: (owner, idempotencyKey) => answer(() => findByKey(owner, idempotencyKey)),

    update: (mediaId, change, guard) => answer(() => inTransaction(database, () => rewrite(mediaId, change, guard))),

    acceptAgain: (mediaId, queueLimit, change, guard) =>
      answer(() =>
        inTransaction(database, () => {
          let refused = false;
          const requeue = (before: Image): Image | null => {
            const after = change(before);
            refused = after !== null && queued() >= queueLimit;
            return refused ? null : after;
          };
          const image = rewrite(mediaId, requeue, guard);
          return refused ? 'queue_full' : image;
        }),
      ),

    list: ({ limit, status, label, createdAfter, createdBefore, owner, cursor }) =>
      answer(() => {
        const conditions: string[] = [];
        const values: SQLInputValue[] = [];
        const where = (condition: string, ...bound: readonly SQLInputValue[]): void => {
          conditions.push(condition);
          values.push(...bound);
        };
        const source = label === undefined ? 'images' : 'labels JOIN images USING (media_id)';
        const key = label === undefined ? 'images' : 'labels';
        if (label !== undefined) where('label = ?', label);
        if (status !== undefined) where('status = ?', status);
        if (owner !== null) where('owner = ?', owner);
        if (createdAfter !== undefined) where(`${key}.created_at >= ?`, Date.parse(createdAfter));
        if (createdBefore !== undefined) where(`${key}.created_at < ?`, Date.parse(createdBefore));
        if (cursor !== undefined) {
          const { createdAt, mediaId } = decodeCursor(cursor);
          where(`(${key}.created_at, ${key}.media_id) < (?, ?)`, createdAt, mediaId);
        }
        const rows = sql(`
          SELECT document FROM ${source}
          ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}
          ORDER BY ${key}.created_at DESC, ${key}.media_id DESC
          LIMIT ?`).all(...values, limit + 1);
        const items = rows.slice(0, limit).map(parseImage);
        const last = items.at(-1);
        if (!last || rows.length <= limit) return { items, nextCursor: null };
        return { items, nextCursor: encodeCursor({ createdAt: Date.parse(last.createdAt), mediaId: last.mediaId }) };
      }),

    unfinished: () =>
      answer(() =>
        [
          ...sql(`
            SELECT media_id FROM images INDEXED BY images_unfinished
            WHERE status IN ('queued', 'generating', 'processing')
            ORDER BY created_at, media_id`).all(),
          ...sql(`
            SELECT media_id FROM images INDEXED BY images_pending
            WHERE json_array_length(document, '$.pending') > 0
            ORDER BY created_at, media_id`).all(),
        ].map((row) => String(row.media_id)),
      ),

    countByStatus: () =>
      answer(() => {
        const rows = sql('SELECT status, images FROM totals').all();
        const counts = new Map(rows.map((row) => [row.status, Number(row.images)]));
        return Object.fromEntries(IMAGE_STATUSES.map((status) => [status, counts.get(status) ?? 0])) as Record<
          ImageStatus,
          number
        >;
      }),

    mediaBytes: () => answer(() => Number(sql('SELECT total(bytes) AS bytes FROM totals').get()?.bytes)),

    spending: (from, owner) => answer(() => books.spending(from, owner)),

    balance: (day, owner) => answer(() => books.balance(day, owner)),

    expired: ({ now, createdBefore, status, limit, after }) =>
      answer(() => {
        // One search per status and reason, so that no image that stays is looked at. The index has to be named: left to
        // itself SQLite takes the one in the order of createdAt, and walks over everything that has not expired.
        const from = placeValues(after);
        const statuses = FINISHED.filter((one) => status === null || one === status);
        const places = statuses.flatMap((one) => [
          ...sql(`
            SELECT created_at, media_id FROM images INDEXED BY images_by_expiry
            WHERE status = ? AND expires_at <= ? AND (created_at, media_id) > (?, ?)
            ORDER BY created_at, media_id LIMIT ?`).all(one, now, ...from, limit),
          ...(createdBefore === null
            ? []
            : sql(`
                SELECT created_at, media_id FROM images INDEXED BY images_by_expiry
                WHERE status = ? AND expires_at IS NULL AND created_at <= ? AND (created_at, media_id) > (?, ?)
                ORDER BY created_at, media_id LIMIT ?`).all(one, createdBefore, ...from, limit)),
        ]);
        return oldestFirst(places, limit);
      }),

    oldest: (limit, after) =>
      answer(() => {
        const places = FINISHED.flatMap((one) =>
          sql(`
            SELECT created_at, media_id FROM images INDEXED BY images_by_status
            WHERE status = ? AND (created_at, media_id) > (?, ?) AND ifnull(expires_at, 0) < ${NEVER}
            ORDER BY created_at, media_id LIMIT ?`).all(one, ...placeValues(after), limit),
        );
        return oldestFirst(places, limit);
      }),

    saveCleanup: (cleanup) =>
      answer(() => {
        sql('INSERT OR REPLACE INTO last_cleanup (id, report) VALUES (1, ?)').run(JSON.stringify(cleanup));
      }),

    lastCleanup: () =>
      answer(() => {
        const row = sql('SELECT report FROM last_cleanup').get();
        return row ? readCleanup(row) : null;
      }),

    remove: (mediaId, condition = () => true) =>
      answer(() =>
        inTransaction(database, () => {
          const image = find(mediaId);
          if (!image || !condition(image)) return null;
          const deletion: Deletion = { mediaId, names: possibleNames(image) };
          books.enter(image, null);
          recent.delete(mediaId);
          sql('DELETE FROM images WHERE media_id = ?').run(mediaId);
          sql('INSERT INTO deletions (media_id, names) VALUES (?, ?)').run(mediaId, JSON.stringify(deletion.names));
          return deletion;
        }),
      ),

    pendingDeletions: () =>
      answer(() => sql('SELECT media_id, names FROM deletions ORDER BY media_id').all().map(readDeletion)),

    deletionDone: (mediaId) =>
      answer(() => {
        sql('DELETE FROM deletions WHERE media_id = ?').run(mediaId);
      }),

    ownedNames: (names) =>
      answer(() => {
        const owned = new Set<string>();
        for (const mediaId of new Set(names.map(mediaIdOf))) {
          if (mediaId === null) continue;
          const image = find(mediaId);
          for (const name of image ? ownedNames(image) : []) owned.add(name);
          for (const name of findDeletion(mediaId)?.names ?? []) owned.add(name);
        }
        return new Set(names.filter((name) => owned.has(name)));
      }),

    check: () =>
      answer(() => {
        // SQLite would go on writing to a file that no longer has a name, and all of it would be lost at the next start.
        if (statSync(path, { throwIfNoEntry: false })?.ino !== inode) {
          throw unavailable(`the database ${path} was moved or replaced while it was in use; start Easel again`);
        }
        const written = sql(`
          INSERT INTO probe (id, count) VALUES (1, 1)
          ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count`).get();
        const read = sql('SELECT count FROM probe').get();
        if (written?.count !== read?.count) throw unavailable(`the database ${path} does not keep what is written`);
      }),

    close: () =>
      answer(() => {
        try {
          if (database.isOpen) database.close();
        } finally {
          release();
        }
      }),
  };
}

/** Commits what `work` has done and gives its result, or leaves the database as it was and raises what went wrong. */
function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite has rolled back by itself after some faults, a full disk among them.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function openDatabase(path: string, busyTimeoutMs: number): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true });
  try {
    // fullfsync: on macOS a plain fsync leaves the bytes in the drive's cache. Elsewhere it changes nothing.
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA fullfsync = ON;
      PRAGMA checkpoint_fullfsync = ON`);
    const version = schemaVersion(database);
    if (version > SCHEMA_VERSION) {
      throw unavailable(
        `the database ${path} has schema ${version} and this Easel knows up to ${SCHEMA_VERSION}: run the newer Easel that wrote it`,
      );
    }
    if (version < SCHEMA_VERSION) inTransaction(database, () => migrate(database));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Makes the folder and those above it durable: a database in a folder that a power cut takes away is lost. */
function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    const descriptor = openSync(dirname(made), 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}

function columnsOf(image: Image): Record<string, SQLInputValue> {
  return {
    mediaId: image.mediaId,
    owner: image.owner,
    status: image.status,
    fingerprint: image.fingerprint,
    idempotencyKey: image.idempotencyKey,
    createdAt: Date.parse(image.createdAt),
    expiresAt: expiryOf(image),
    bytes: storedBytes(image),
    document: JSON.stringify(image),
  };
}

/** 9999-12-31: the expiry of what is pinned, so that no search for what is due comes across it. */
const NEVER = 253_402_300_799_000;

function expiryOf({ request, expiresAt }: Image): number | null {
  if (request.labels.includes(PINNED)) return NEVER;
  return expiresAt === null ? null : Date.parse(expiresAt);
}

const FINISHED = IMAGE_STATUSES.filter(isFinished);

function placeValues(after: Place | null): readonly [number, string] {
  return after ? [Date.parse(after.createdAt), after.mediaId] : [Number.MIN_SAFE_INTEGER, ''];
}

type Row = Record<string, SQLOutputValue>;

function readImage(row: Row | undefined): Image | null {
  return row ? parseImage(row) : null;
}

function parseImage(row: Row): Image {
  return JSON.parse(String(row.document)) as Image;
}

function readDeletion(row: Row): Deletion {
  return { mediaId: String(row.media_id), names: JSON.parse(String(row.names)) as readonly string[] };
}

/** The report may be from before missing files were looked for. */
function readCleanup(row: Row): LastCleanup {
  const report = JSON.parse(String(row.report)) as Omit<LastCleanup, 'missingFiles' | 'missingFilesOf'>;
  return { missingFiles: 0, missingFilesOf: [], ...report };
}

/** A new image would publish under the names that the removal is about to take away. */
function stillBeingRemoved(mediaId: string): ImageError {
  const detail = `the files of the earlier image ${mediaId} are still being removed`;
  return new ImageError('storage_unavailable', detail, { retryAfterSeconds: 1, mediaId });
}

function unavailable(detail: string, options?: ErrorOptions): ImageError {
  return new ImageError('storage_unavailable', detail, { ...options, retryAfterSeconds: 5 });
}

/** Result codes of SQLite, https://sqlite.org/rescode.html. The low byte of an extended code is its primary code. */
const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CONSTRAINT = 19;
const SQLITE_MISUSE = 21;
const SQLITE_NOTADB = 26;
const SQLITE_IOERR_SHMSIZE = 4874;

/** Faults of SQLite and of the file system as the port promises them; anything else is a defect and stays as it is. */
function asImageError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || error instanceof ImageError) return error;
  const options = { cause: error };
  const full = () => new ImageError('storage_full', `no room is left for the database ${path}`, options);

  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') return full();
  if ('syscall' in error) return unavailable(`the database ${path} cannot be used: ${error.message}`, options);
  if (error.code === 'ERR_INVALID_STATE') return unavailable(`the database ${path} is closed`, options);
  if (error.code !== 'ERR_SQLITE_ERROR' || !('errcode' in error)) return error;

  const extended = Number(error.errcode);
  // The shared memory file could not grow: SQLite has a code of its own for it, and want of room is its reason.
  if (extended === SQLITE_IOERR_SHMSIZE) return full();
  switch (extended & 0xff) {
    case SQLITE_FULL:
      return full();
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return unavailable(`the database ${path} is locked by another program`, options);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return unavailable(`the database ${path} is damaged or is no SQLite database; restore it from a backup`, options);
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISUSE:
      return error;
    default:
      return unavailable(`the database ${path} cannot be used: ${error.message}`, options);
  }
}
