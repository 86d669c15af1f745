import { ImageError } from '../domain/errors.ts';
import type { Size } from '../domain/geometry.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { StorageWatch } from './storage-watch.ts';

/** Decides whether the media store has room for one more picture: for requests and for the health check alike. */
export interface StorageCapacity {
  /**
   * Raises `storage_full` and `storage_unavailable` of the store where `count` pictures of this size must not be accepted; by default, one
   * of the default size. What each needs is at least what a picture of the default size needs, so that nothing is accepted while the
   * health check is red, and everything up to the default size is while it is green.
   */
  check(size?: Size, count?: number): Promise<void>;
}

interface CapacityDeps {
  readonly queue: Pick<JobQueue, 'depth'>;
  readonly store: Pick<MediaStore, 'check'>;
  /** Of a picture whose request and preset name no size. */
  readonly defaultSize: Size;
  readonly watch: Pick<StorageWatch, 'failed' | 'works'>;
}

export function createStorageCapacity({ queue, store, defaultSize, watch }: CapacityDeps): StorageCapacity {
  return {
    async check(size = defaultSize, count = 1) {
      const { waiting, running } = await queue.depth();
      const accepted = waiting + running;
      const usual = estimateBytes(defaultSize) * (accepted + 1);
      const needed = Math.max(estimateBytes(defaultSize), estimateBytes(size)) * (accepted + count);
      try {
        await store.check(needed);
      } catch (error) {
        const isFull = error instanceof ImageError && error.code === 'storage_full';
        const fault = isFull ? noRoom(error, count, accepted) : error;
        // No room for an unusually large picture, or for several, is no trouble of the store.
        if (!isFull || needed === usual) watch.failed('pictures', fault);
        throw fault;
      }
      watch.works('pictures');
    },
  };
}

/** The error for a store without room for `count` pictures beside those that are accepted. */
function noRoom(error: ImageError, count: number, accepted: number): ImageError {
  const added = count === 1 ? 'one picture' : `${count} pictures`;
  const before = accepted === 0 ? '' : ` and the ${accepted} accepted before ${count === 1 ? 'it' : 'them'}`;
  return new ImageError('storage_full', `${error.message}, for ${added}${before}`, { cause: error });
}

/** A generous estimate of the disk space one image needs, in bytes: original, master and renditions, all of them PNG. */
function estimateBytes(size: Size): number {
  return 1_000_000 + 8 * size.width * size.height;
}
