import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';
import type { StorageWatch } from './storage-watch.ts';

/** The store, whose failed writes are reported to `watch`. Its check is not: `StorageCapacity` knows what that means. */
export function watchMediaStore(store: MediaStore, watch: Pick<StorageWatch, 'failed'>): MediaStore {
  const noting = <T>(access: Promise<T>) =>
    access.catch((error: unknown) => {
      watch.failed('pictures', error);
      throw error;
    });
  return {
    ...store,
    put: (name, bytes) => noting(store.put(name, bytes)),
    publish: (files) => noting(store.publish(files)),
  };
}

/** A record store that notices its own troubles. */
export interface WatchedRecords extends RecordStore {
  /** How many records are known to be unreadable: those that `unreadable` has named, and those that an access met since. */
  unreadableCount(): number;
}

/**
 * The record store, which reports failed accesses and passed checks to `watch`, and names each record that cannot be read once in the
 * log.
 */
export function watchRecords(records: RecordStore, watch: StorageWatch, log: Logger): WatchedRecords {
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

  return {
    ...records,
    outbox: {
      ...records.outbox,
      next: (...args) => noting(records.outbox.next(...args)),
      update: (...args) => noting(records.outbox.update(...args)),
    },
    accept: (...args) => noting(records.accept(...args)),
    get: (mediaId) => noting(records.get(mediaId)),
    findByKey: (owner, key) => noting(records.findByKey(owner, key)),
    update: (...args) => noting(records.update(...args)),
    requeue: (...args) => noting(records.requeue(...args)),
    remove: (...args) => noting(records.remove(...args)),

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
