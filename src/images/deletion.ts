import type { Logger } from 'pino';
import type { ImageEvents } from './events.ts';
import { type Image, isFinished } from './image.ts';
import type { Clock, Deletion, JobQueue, MediaStore, RecordStore } from './ports.ts';

export interface DeletionDeps {
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly queue: JobQueue;
  readonly events: ImageEvents;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Removing images. The record goes first, together with a durable note of the files that have to follow: from then on
 * nobody is served them, and a crash in between is made good at the next start or cleanup.
 */
export interface Deletions {
  /** Removes the image, whatever its state; a running one is cancelled first. */
  remove(mediaId: string): Promise<void>;
  /** Removes the image if it is finished still, and says whether it was. */
  removeFinished(mediaId: string): Promise<boolean>;
  /** Ends an image that is not finished, durably; resolves, with what is then on record, when no work is done for it any more. */
  cancel(mediaId: string): Promise<Image | null>;
  /** Resolves when no file of an earlier image of this name is left. Raises what keeps the storage from removing it. */
  settled(mediaId: string): Promise<void>;
  /** Completes what earlier deletions, in this process or another, left behind. */
  completeAll(): Promise<void>;
}

export function createDeletions({ records, store, queue, events, clock, log }: DeletionDeps): Deletions {
  // One at a time for each name: a second one would go on removing when the name is in use again.
  const underWay = new Map<string, Promise<void>>();

  function complete({ mediaId, names }: Deletion): Promise<void> {
    const work =
      underWay.get(mediaId) ??
      store
        .remove(names)
        .then(() => records.deletionDone(mediaId))
        .finally(() => underWay.delete(mediaId));
    underWay.set(mediaId, work);
    return work;
  }

  async function removeWhere(mediaId: string, condition?: (image: Image) => boolean): Promise<boolean> {
    const deletion = await records.remove(mediaId, condition);
    if (deletion === null) return false;
    events.publish(mediaId, null);
    log.info({ mediaId, files: deletion.names.length }, 'image deleted');
    await complete(deletion).catch((error: unknown) => {
      log.warn(
        { mediaId, err: error },
        'files of a deleted image could not be removed yet; the next cleanup tries again',
      );
    });
    return true;
  }

  async function cancel(mediaId: string): Promise<Image | null> {
    let cancelled = false;
    const image = await records.update(mediaId, (current) => {
      cancelled = !isFinished(current.status);
      return cancelled ? { ...current, status: 'cancelled', completedAt: new Date(clock.now()).toISOString() } : null;
    });
    if (cancelled) {
      events.publish(mediaId, image);
      log.info({ mediaId }, 'image cancelled');
    }
    await queue.cancel(mediaId);
    return cancelled ? await records.get(mediaId) : image;
  }

  return {
    cancel,
    async remove(mediaId) {
      await cancel(mediaId);
      await removeWhere(mediaId);
    },
    removeFinished: (mediaId) => removeWhere(mediaId, ({ status }) => isFinished(status)),
    async settled(mediaId) {
      const pending = (await records.pendingDeletions()).find((deletion) => deletion.mediaId === mediaId);
      if (pending) await complete(pending);
    },
    async completeAll() {
      for (const deletion of await records.pendingDeletions()) await complete(deletion);
    },
  };
}
