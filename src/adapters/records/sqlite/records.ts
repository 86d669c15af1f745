import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { ImageError } from '../../../core/domain/errors.ts';
import { formatSize } from '../../../core/domain/geometry.ts';
import type { Image } from '../../../core/domain/image.ts';
import type { SpendingGuard } from '../../../core/domain/money.ts';
import type { Deletion, Derive, RecordStore } from '../../../core/ports/record-store.ts';
import { openDatabase, type SqliteDatabase } from './database.ts';
import { openLedger } from './ledger.ts';
import { openOutbox } from './outbox.ts';
import { openQueries } from './queries.ts';
import { columnsOf } from './rows.ts';

interface SqliteRecordsOptions {
  /** The database file. It and its folder are made when they are missing. */
  readonly path: string;
  /** Derives from each write its ledger entries, webhook delivery, owned names and columns. */
  readonly derive: Derive;
  /** How long, in milliseconds, a read or a write waits for a lock of another program, such as a backup. The process goes on meanwhile. */
  readonly busyTimeoutMs?: number;
  /** Called with the earlier schema's version once an older database has been migrated. */
  readonly onMigrated?: (from: number) => void;
}

/**
 * Record store in an SQLite file, which this process locks and migrates to the current schema.
 * Raises `DatabaseInUseError` when another Easel process has the file, and `ImageError` when it cannot be made or read, or has a
 * newer schema.
 *
 * The port is asynchronous for the sake of remote databases. Here every method does its work before it returns, unless another program
 * holds a lock: a read takes microseconds and a write one fsync (about ten for each image), and no other call can come between the
 * statements of a transaction. In return SQLite needs no server and no worker: the process stays at 45 MB where PGlite took 300 to 780.
 */
export function openSqliteRecords({
  path,
  derive,
  busyTimeoutMs = 1000,
  onMigrated,
}: SqliteRecordsOptions): RecordStore {
  return recordStore(openDatabase(path, busyTimeoutMs, onMigrated), derive);
}

function recordStore(database: SqliteDatabase, derive: Derive): RecordStore {
  const { sql, inTransaction, answer, close } = database;
  const queries = openQueries(sql, derive);
  const ledger = openLedger(sql);
  const outbox = openOutbox(sql);

  // Read cache of `get`. It is never stale: no other process writes to the file, and every write here drops its image.
  const cache = new LRUCache<string, Image>({ max: MAX_CACHED_IMAGES });

  const writeLabels = (image: Image): void => {
    sql('DELETE FROM labels WHERE media_id = ?').run(image.mediaId);
    const insert = sql('INSERT INTO labels (media_id, label, created_at) VALUES (?, ?, ?)');
    for (const label of new Set(image.request.labels)) insert.run(image.mediaId, label, Date.parse(image.createdAt));
  };

  /** Runs the INSERT or UPDATE `statement` and stores what is derived from the change. Call inside a transaction. */
  const write = (statement: string, before: Image | null, after: Image, guard: SpendingGuard | undefined): void => {
    const derived = derive(before, after);
    sql(statement).run(columnsOf(after, derived));
    if (after.request.labels !== before?.request.labels || after.createdAt !== before.createdAt) writeLabels(after);
    ledger.record(derived.ledger);
    if (guard && derived.spendsMore) ledger.check(guard, after.owner);
    if (derived.delivery) outbox.record(derived.delivery, after);
  };

  /** Returns what is stored after the change, or null when there is no such image. Call inside a transaction. */
  const rewrite = (
    mediaId: string,
    change: (image: Image) => Image | null,
    guard: SpendingGuard | undefined,
  ): Image | null => {
    const before = queries.find(mediaId);
    if (!before) return null;
    const after = change(before);
    if (!after) return before;
    cache.delete(mediaId);
    if (after.mediaId !== mediaId) throw new TypeError(`an update cannot rename ${mediaId} to ${after.mediaId}`);
    write(UPDATE, before, after, guard);
    return after;
  };

  /** What the service does at every request, for the health check: reads what it has, and takes an image in. */
  const readAndAccept = (): void => {
    queries.find(PROBE.mediaId);
    queries.findByKey(PROBE.owner, PROBE.idempotencyKey);
    queries.findDeletion(PROBE.mediaId);
    queries.queued();
    queries.list({ limit: 1, owner: null });
    outbox.next({ ids: [], receivers: [] }, Number.POSITIVE_INFINITY);
    ledger.balance('', null);
    sql(INSERT).run({ ...PROBE, createdAt: Date.now(), requestedAt: Date.now() });
  };

  return {
    outbox: {
      next: (except, horizon) => answer(() => outbox.next(except, horizon)),
      update: (id, change) => answer(() => inTransaction(() => outbox.update(id, change))),
      list: (mediaId) => answer(() => outbox.list(mediaId)),
      onNew: outbox.onNew,
    },

    accept: (image, queueLimit, guard) =>
      answer(() =>
        inTransaction(() => {
          const sameId = queries.find(image.mediaId);
          if (sameId) return { outcome: 'exists', by: 'mediaId', image: sameId };
          const sameKey = queries.findByKey(image.owner, image.idempotencyKey);
          if (sameKey) return { outcome: 'exists', by: 'idempotencyKey', image: sameKey };
          if (queries.findDeletion(image.mediaId)) throw stillBeingRemoved(image.mediaId);
          if (queries.queued() >= queueLimit) return { outcome: 'queue_full' };
          write(INSERT, null, image, guard);
          return { outcome: 'accepted' };
        }),
      ),

    get: (mediaId) =>
      answer(() => {
        const cached = cache.get(mediaId);
        if (cached) return cached;
        const image = queries.find(mediaId);
        if (image) cache.set(mediaId, image);
        return image;
      }),

    findByKey: (owner, idempotencyKey) => answer(() => queries.findByKey(owner, idempotencyKey)),

    update: (mediaId, change, guard) => answer(() => inTransaction(() => rewrite(mediaId, change, guard))),

    requeue: (mediaId, queueLimit, change, guard) =>
      answer(() =>
        inTransaction(() => {
          let queueIsFull = false;
          const requeue = (before: Image): Image | null => {
            const after = change(before);
            queueIsFull = after !== null && queries.queued() >= queueLimit;
            return queueIsFull ? null : after;
          };
          const image = rewrite(mediaId, requeue, guard);
          return queueIsFull ? 'queue_full' : image;
        }),
      ),

    remove: (mediaId, condition = () => true) =>
      answer(() =>
        inTransaction(() => {
          const image = queries.find(mediaId);
          if (!image || !condition(image)) return null;
          const derived = derive(image, null);
          const deletion: Deletion = { mediaId, names: derived.ownedNames };
          ledger.record(derived.ledger);
          cache.delete(mediaId);
          sql('DELETE FROM images WHERE media_id = ?').run(mediaId);
          outbox.imageRemoved(mediaId);
          sql('INSERT INTO deletions (media_id, names) VALUES (?, ?)').run(mediaId, JSON.stringify(deletion.names));
          return deletion;
        }),
      ),

    deletionDone: (mediaId) =>
      answer(() =>
        inTransaction(() => {
          sql('DELETE FROM deletions WHERE media_id = ?').run(mediaId);
        }),
      ),

    noteUsage: ({ model, quality, size }, outputTokens) =>
      answer(() =>
        inTransaction(() => {
          sql(`
            INSERT INTO largest_usage VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET output_tokens = excluded.output_tokens
              WHERE excluded.output_tokens > output_tokens`).run(model, quality, formatSize(size), outputTokens);
        }),
      ),

    saveCleanup: (cleanup) =>
      answer(() =>
        inTransaction(() => {
          sql('INSERT OR REPLACE INTO last_cleanup (id, report) VALUES (1, ?)').run(JSON.stringify(cleanup));
        }),
      ),

    identity: () =>
      answer(() =>
        inTransaction(() => {
          sql('INSERT INTO identity (id, uuid) VALUES (1, ?) ON CONFLICT DO NOTHING').run(randomUUID());
          return String(sql('SELECT uuid FROM identity').get()?.uuid);
        }),
      ),

    list: (query) => answer(() => queries.list(query)),
    unfinished: () => answer(() => queries.unfinished()),
    countByStatus: () => answer(() => queries.countByStatus()),
    spending: (from, owner) => answer(() => ledger.spending(from, owner)),
    balance: (day, owner) => answer(() => ledger.balance(day, owner)),
    expired: (query) => answer(() => queries.expired(query)),
    oldest: (limit, after) => answer(() => queries.oldest(limit, after)),
    largestUsage: (kind) => answer(() => queries.largestUsage(kind)),
    lastCleanup: () => answer(() => queries.lastCleanup()),
    pendingDeletions: () => answer(() => queries.pendingDeletions()),
    unreadable: () => answer(() => queries.unreadable()),
    ownedNames: (names) => answer(() => queries.ownedNames(names)),
    check: () =>
      answer(() => {
        database.check();
        database.rehearse(readAndAccept);
      }, CHECK_WAIT_MS),
    close: () => answer(close),
  };
}

/** Most images in the read cache; a popular picture is requested thousands of times a second. */
const MAX_CACHED_IMAGES = 500;

/** How long the health check waits for a lock of another program, in milliseconds: it has to answer within a second. */
const CHECK_WAIT_MS = 300;

/** The image that the health check takes in and rolls back. No mediaId, owner or key is empty. */
const PROBE = {
  mediaId: '',
  owner: '',
  status: 'queued',
  idempotencyKey: '',
  expiresAt: null,
  document: '{}',
};

const INSERT = `
  INSERT INTO images (media_id, owner, status, idempotency_key, created_at, requested_at, expires_at, document)
  VALUES (:mediaId, :owner, :status, :idempotencyKey, :createdAt, :requestedAt, :expiresAt, :document)`;

const UPDATE = `
  UPDATE images SET
    owner = :owner, status = :status, idempotency_key = :idempotencyKey,
    created_at = :createdAt, requested_at = :requestedAt, expires_at = :expiresAt, document = :document
  WHERE media_id = :mediaId`;

/** Refuses a mediaId while its deletion is pending: the new image would publish under names that are about to be removed. */
function stillBeingRemoved(mediaId: string): ImageError {
  const detail = `the files of the earlier image ${mediaId} are still being removed`;
  return new ImageError('storage_unavailable', detail, { retryAfterSeconds: 1, mediaId });
}
