import { randomUUID } from 'node:crypto';
import type { Image } from '../../../core/domain/image.ts';
import type { SpendingGuard } from '../../../core/domain/money.ts';
import type { Derive, Derived, RecordStore } from '../../../core/ports/record-store.ts';
import { asStored, damaged, isSameDocument, type StoredImage } from '../rows.ts';
import { isSearch, searchPage } from '../search.ts';
import { createTurns } from '../turns.ts';
import { openDatabase, type SqliteDatabase } from './database.ts';
import { unavailable } from './errors.ts';
import { createImageCache } from './image-cache.ts';
import { openLedger } from './ledger.ts';
import { deliveryUpdateSteps, openOutbox } from './outbox.ts';
import { createPersist } from './persist.ts';
import { openQueries } from './queries.ts';
import { LOOK_AT, searchedRecords } from './search.ts';
import { noteStagesSteps, readStageCounts } from './stage-times.ts';
import { CHANGED, type Outcome, type Step } from './writer/write.ts';
import {
  acceptanceOf,
  acceptSteps,
  deletionDoneSteps,
  deletionIn,
  heedGuard,
  identitySteps,
  isQueueFull,
  type NewImage,
  noteUsageSteps,
  PROBE_STEPS,
  rehearsalSteps,
  removeSteps,
  rewriteSteps,
  saveCleanupSteps,
} from './writes.ts';

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
 * Raises `DatabaseInUseError` when another Easel process has the file, `StorageSetupError` when a newer Easel has changed its schema, and
 * `ImageError` when it cannot be made or read.
 *
 * Writes are done on a thread of their own, where those that arrive while a commit is out share the next one; each resolves when it is
 * durable. Rules of the core run here, between a read and a write: the writes to one image take turns, and each says which state it was
 * made from. Reads are done here too, within the call unless another program holds a lock, and take microseconds. They see what is durable,
 * and nothing before. In return SQLite needs no server: the process stays at some 50 MB where PGlite took 300 to 780.
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
  const { sql, answer, write } = database;
  const queries = openQueries(sql, derive);
  const ledger = openLedger(sql);
  const outbox = openOutbox(sql);
  const images = createTurns();
  const deliveries = createTurns();
  let onNewDelivery = (): void => undefined;

  const cache = createImageCache();

  const find = (mediaId: string): Promise<StoredImage | null> =>
    answer(() => {
      const cached = cache.get(mediaId);
      if (cached) return cached;
      const stored = queries.find(mediaId);
      if (stored) cache.set(mediaId, stored);
      return stored;
    });

  const persist = createPersist(write);

  /** Does a write to one image, which is `after` then. No other one to it is under way, so that the image shows whether it is stored. */
  const writeImage = async (mediaId: string, steps: readonly Step[], after: StoredImage | null): Promise<Outcome> => {
    try {
      return await persist(steps, async () => {
        cache.delete(mediaId);
        return isSameDocument((await find(mediaId))?.document, after?.document);
      });
    } catch (error) {
      // It may be stored all the same.
      cache.delete(mediaId);
      throw error;
    }
  };

  /** Notes that a write is durable: the image as it is now, null for one that is gone, and what it caused. */
  const written = (mediaId: string, now: StoredImage | null, { delivery }: Derived): void => {
    if (now) cache.set(mediaId, now);
    else cache.delete(mediaId);
    if (delivery) queueMicrotask(() => onNewDelivery());
  };

  /**
   * Does a write that is made from the image as it is stored, again where another program has changed that meanwhile. `make` returns null
   * to write nothing.
   */
  const fromStored = <T>(
    mediaId: string,
    attempt: (stored: StoredImage | null) => Promise<T | typeof CHANGED>,
  ): Promise<T> =>
    images.take(mediaId, async () => {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const result = await attempt(await find(mediaId));
        if (result !== CHANGED) return result;
        cache.delete(mediaId);
      }
      throw damaged(mediaId, `the record of ${mediaId} is changed by another program, or damaged`);
    });

  /** What is stored after the change, or null when there is no such image. */
  const rewrite = (
    mediaId: string,
    change: (image: Image) => Image | null,
    guard: SpendingGuard | undefined,
    queueLimit: number | null,
  ): Promise<Image | null | typeof QUEUE_FULL> =>
    fromStored(mediaId, async (before) => {
      const image = before && change(before.image);
      if (!before || !image) return before ? before.image : null;
      if (image.mediaId !== mediaId) throw new TypeError(`an update cannot rename ${mediaId} to ${image.mediaId}`);
      const after = asStored(image);
      const derived = derive(before.image, image);
      const outcome = await writeImage(mediaId, rewriteSteps(before, after, derived, guard, queueLimit), after);
      if (outcome.stopped === CHANGED) return CHANGED;
      if (isQueueFull(outcome)) return QUEUE_FULL;
      if (outcome.stopped === null) written(mediaId, after, derived);
      heedGuard(outcome, image.owner, guard);
      return image;
    });

  /** What the service does at every request, for the health check: reads what it has. */
  const readAll = (): void => {
    queries.find('');
    queries.findByKey('', '');
    queries.findCalls({ owner: '', digest: '', endedSince: 0, limit: 1 });
    queries.findDeletion('');
    queries.queued();
    queries.list({ limit: 1, owner: null });
    outbox.next({ ids: [], receivers: [] }, Number.POSITIVE_INFINITY);
    ledger.balance('', null);
  };

  return {
    outbox: {
      next: (except, horizon) => answer(() => outbox.next(except, horizon)),
      list: (mediaId) => answer(() => outbox.list(mediaId)),
      page: (query) => answer(() => outbox.page(query)),
      // This process alone sends.
      claim: (id) => answer(() => outbox.find(id)?.delivery.status === 'pending'),

      update: (id, change) =>
        deliveries.take(id, async () => {
          for (;;) {
            const before = await answer(() => outbox.find(id));
            if (!before) return null;
            const delivery = change(before.delivery);
            const document = JSON.stringify(delivery);
            const isStored = async () => isSameDocument((await answer(() => outbox.find(id)))?.document, document);
            const { stopped } = await persist(deliveryUpdateSteps(before.document, delivery), isStored);
            if (stopped !== null) continue;
            queueMicrotask(() => onNewDelivery());
            return delivery;
          }
        }),

      onNew(listener) {
        onNewDelivery = listener;
      },
    },

    async accept(given, queueLimit, guard) {
      const added = [given].flat();
      const mediaIds = added.map(({ mediaId }) => mediaId);
      return await images.takeAll(mediaIds, async () => {
        const all = added.map((image) => ({ stored: asStored(image), derived: derive(null, image) }));
        // All are stored or none is, so that the first shows it.
        const [first] = all as [NewImage];
        const { mediaId, owner } = first.stored.image;
        const outcome = await writeImage(mediaId, acceptSteps(all, queueLimit, guard), first.stored);
        if (outcome.stopped === null)
          for (const { stored, derived } of all) written(stored.image.mediaId, stored, derived);
        return acceptanceOf(outcome, owner, guard);
      });
    },

    get: async (mediaId) => (await find(mediaId))?.image ?? null,
    findByKey: async (owner, idempotencyKey) => {
      const image = await answer(() => queries.findByKey(owner, idempotencyKey));
      return image && cache.seen(image);
    },
    findCall: async (callId) => (await answer(() => queries.findCall(callId))).map((image) => cache.seen(image)),
    findCalls: (query) => answer(() => queries.findCalls(query)),

    async update(mediaId, change, guard) {
      const image = await rewrite(mediaId, change, guard, null);
      return image === QUEUE_FULL ? null : image;
    },

    requeue: (mediaId, queueLimit, change, guard) => rewrite(mediaId, change, guard, queueLimit),

    remove: (mediaId, condition = () => true) =>
      fromStored(mediaId, async (before) => {
        if (!before || !condition(before.image)) return null;
        const derived = derive(before.image, null);
        const outcome = await writeImage(mediaId, removeSteps(before, derived), null);
        if (outcome.stopped !== null) return CHANGED;
        written(mediaId, null, derived);
        return deletionIn(outcome) ?? (await answer(() => queries.findDeletion(mediaId)));
      }),

    deletionDone: (mediaId) => images.take(mediaId, async () => void (await persist(deletionDoneSteps(mediaId)))),

    async noteUsage(kind, outputTokens) {
      // What is known needs no commit, which the picture would wait for.
      if ((await answer(() => queries.largestUsage(kind))) >= outputTokens) return;
      await persist(noteUsageSteps(kind, outputTokens));
    },

    noteStages: async (counts, keptFrom) => void (await persist(noteStagesSteps(counts, keptFrom))),
    stageCounts: (fromHour) => answer(() => readStageCounts(sql, fromHour)),
    saveCleanup: async (cleanup) => void (await persist(saveCleanupSteps(cleanup))),

    async identity() {
      const known = await answer(() => queries.identity());
      return known ?? String((await persist(identitySteps(randomUUID()))).row?.uuid);
    },

    async list(query) {
      const page = isSearch(query)
        ? await searchPage(query, LOOK_AT, searchedRecords(queries, answer, persist))
        : await answer(() => queries.list(query));
      for (const image of page.items) cache.seen(image);
      return page;
    },
    labels: (owner, limit) => answer(() => queries.labels(owner, limit)),
    oldestQueued: () => answer(() => queries.oldestQueued()),
    unfinished: () => answer(() => queries.unfinished()),
    countByStatus: () => answer(() => queries.countByStatus()),
    spending: (from, owner, to) => answer(() => ledger.spending(from, owner, to)),
    balance: (day, owner) => answer(() => ledger.balance(day, owner)),
    expired: (query) => answer(() => queries.expired(query)),
    oldest: (limit, after) => answer(() => queries.oldest(limit, after)),
    largestUsage: (kind) => answer(() => queries.largestUsage(kind)),
    lastCleanup: () => answer(() => queries.lastCleanup()),
    pendingDeletions: (mediaId) => answer(() => queries.pendingDeletions(mediaId)),
    unreadable: () => answer(() => queries.unreadable()),
    ownedNames: (names) => answer(() => queries.ownedNames(names)),
    countSharing: (names, owner) => answer(() => queries.countSharing(names, owner)),

    async check() {
      await answer(readAll, CHECK_WAIT_MS);
      // Not with the other: their commit would write the pages that the rehearsal has touched.
      await persist(rehearsalSteps(Date.now()), undefined, CHECK_WAIT_MS);
      const { row } = await persist(PROBE_STEPS, undefined, CHECK_WAIT_MS);
      const read = await answer(() => sql('SELECT count FROM probe').get(), CHECK_WAIT_MS);
      if (Number(read?.count) >= Number(row?.count)) return;
      throw unavailable('the database does not keep what is written');
    },

    async close() {
      await Promise.all([images.ended(), deliveries.ended()]);
      await database.close();
      cache.clear();
    },
  };
}

/** How long the health check waits for a lock of another program, in milliseconds: it has to answer within a second. */
const CHECK_WAIT_MS = 300;

/** How often a write is made anew from a record that another program changes. Damage can look like such a change. */
const MAX_TRIES = 5;

const QUEUE_FULL = 'queue_full';
