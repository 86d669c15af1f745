import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import { type MediaStore, wrapMediaStore } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { announceWrites } from './announced-writes.ts';
import type { StorageWatch } from './storage-watch.ts';

/** The store, whose failed writes are reported to `watch`. Its check is not: `StorageCapacity` knows what that means. */
export function watchMediaStore(store: MediaStore, watch: Pick<StorageWatch, 'failed'>): MediaStore {
  const noting = <T>(access: Promise<T>) =>
    access.catch((error: unknown) => {
      watch.failed('pictures', error);
      throw error;
    });
  return wrapMediaStore(store, {
    put: (name, bytes) => noting(store.put(name, bytes)),
    publish: (files) => noting(store.publish(files)),
  });
}

/** A record store that notices its own troubles. */
export interface WatchedRecords extends RecordStore {
  /** How many records are known to be unreadable: those that `unreadable` has named, and those that an access met since. */
  unreadableCount(): number;
}

/**
 * The record store, which reports failed accesses and passed checks to `watch`, names each record that cannot be read once in the
 * log, and announces what it writes.
 */
export function watchRecords(
  records: RecordStore,
  watch: StorageWatch,
  events: Pick<ImageEvents, 'announce' | 'missed'>,
  log: Logger,
): WatchedRecords {
  const unreadable = new Set<string>();

  function note(error: unknown): void {
    watch.failed('database', error);
    if (!(error instanceof ImageError && error.isLasting) || error.mediaId === null) return;
    const { mediaId, message: reason } = error;
    if (unreadable.has(mediaId)) return;
    unreadable.add(mediaId);
    log.error({ mediaId, reason }, 'a record cannot be read');
  }

  const noting = <T>(access: Promise<T>) =>
    access.catch((error: unknown) => {
      note(error);
      throw error;
    });

  const { outbox } = records;
  const writes = announceWrites(records, events);

  return {
    outbox: {
      next: (except, horizon) => noting(outbox.next(except, horizon)),
      claim: (id, leaseMs) => noting(outbox.claim(id, leaseMs)),
      update: (id, change) => noting(outbox.update(id, change)),
      list: (mediaId) => noting(outbox.list(mediaId)),
      page: (query) => noting(outbox.page(query)),
      onNew: (listener) => outbox.onNew(listener),
    },
    accept: (images, queueLimit, guard) => noting(writes.accept(images, queueLimit, guard)),
    get: (mediaId) => noting(records.get(mediaId)),
    findByKey: (owner, idempotencyKey) => noting(records.findByKey(owner, idempotencyKey)),
    findCall: (callId) => noting(records.findCall(callId)),
    findCalls: (query) => noting(records.findCalls(query)),
    update: (mediaId, change, guard) => noting(writes.update(mediaId, change, guard)),
    requeue: (mediaId, queueLimit, change, guard) => noting(writes.requeue(mediaId, queueLimit, change, guard)),
    remove: (mediaId, condition) => noting(writes.remove(mediaId, condition)),
    pendingDeletions: (mediaId) => noting(records.pendingDeletions(mediaId)),
    deletionDone: (mediaId) => noting(records.deletionDone(mediaId)),
    list: (query) => noting(records.list(query)),
    labels: (owner, limit) => noting(records.labels(owner, limit)),
    oldestQueued: () => noting(records.oldestQueued()),
    unfinished: () => noting(records.unfinished()),
    expired: (query) => noting(records.expired(query)),
    oldest: (limit, after) => noting(records.oldest(limit, after)),
    countByStatus: () => noting(records.countByStatus()),
    ownedNames: (names) => noting(records.ownedNames(names)),
    countSharing: (names, owner) => noting(records.countSharing(names, owner)),
    spending: (from, owner, to) => noting(records.spending(from, owner, to)),
    balance: (day, owner) => noting(records.balance(day, owner)),
    noteUsage: (kind, outputTokens) => noting(records.noteUsage(kind, outputTokens)),
    largestUsage: (kind) => noting(records.largestUsage(kind)),
    noteStages: (counts, keptFrom) => noting(records.noteStages(counts, keptFrom)),
    stageCounts: (fromHour) => noting(records.stageCounts(fromHour)),
    saveCleanup: (cleanup) => noting(records.saveCleanup(cleanup)),
    lastCleanup: () => noting(records.lastCleanup()),
    identity: () => noting(records.identity()),

    async unreadable() {
      const mediaIds = await noting(records.unreadable());
      for (const mediaId of mediaIds) unreadable.add(mediaId);
      return mediaIds;
    },

    async check() {
      await noting(records.check());
      watch.works('database');
    },

    async close() {
      watch.close();
      await records.close();
    },

    unreadableCount: () => unreadable.size,
  };
}
