import type { Logger } from 'pino';
import { type Image, isFinished } from '../domain/image.ts';
import { cancelled } from '../domain/transitions.ts';
import type { Clock } from '../ports/clock.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { Deletion, RecordStore } from '../ports/record-store.ts';
import type { Telemetry } from '../ports/telemetry.ts';

export interface DeletionDeps {
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly queue: JobQueue;
  readonly events: ImageEvents;
  readonly telemetry: Pick<Telemetry, 'imageEnded'>;
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
  /**
   * Ends an image that is not finished, durably, and aborts the call that is made for it. Resolves with what is on record
   * once no more work is done for it, or after `PATIENCE_MS`: a picture that arrived after all may have to wait for room.
   */
  cancel(mediaId: string): Promise<Image | null>;
  /** Resolves when no file of an earlier image of this name is left. Raises what keeps the storage from removing it. */
  completeFor(mediaId: string): Promise<void>;
  /** Completes what earlier deletions, in this process or another, left behind. */
  completeAll(): Promise<void>;
}

/** How long the answer to a cancel waits for the work to end, in milliseconds. */
const CANCEL_WAIT_MS = 5_000;

export function createDeletions({ records, store, queue, events, telemetry, clock, log }: DeletionDeps): Deletions {
  // One at a time for each name: a second one would go on removing when the name is in use again.
  const inFlight = new Map<string, Promise<void>>();

  function complete({ mediaId, names }: Deletion): Promise<void> {
    const work =
      inFlight.get(mediaId) ??
      queue
        // A pending rendition may be in the making: it would be published when the files are gone.
        .cancel(mediaId)
        .then(() => store.remove(names))
        .then(() => records.deletionDone(mediaId))
        .finally(() => inFlight.delete(mediaId));
    inFlight.set(mediaId, work);
    return work;
  }

  async function removeIf(mediaId: string, condition?: (image: Image) => boolean): Promise<boolean> {
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

  /** Makes an unfinished image a cancelled one, which its work cannot undo, and says whether it did. */
  async function markCancelled(mediaId: string): Promise<{ image: Image | null; changed: boolean }> {
    let changed = false;
    const image = await records.update(mediaId, (current) => {
      const next = cancelled(current, new Date(clock.now()).toISOString());
      changed = next !== null;
      return next;
    });
    if (image !== null && changed) {
      telemetry.imageEnded(image);
      log.info({ mediaId }, 'image cancelled');
    }
    return { image, changed };
  }

  async function waitForCancelledJob(end: Promise<void>): Promise<void> {
    const ended = new AbortController();
    await Promise.race([end, clock.sleep(CANCEL_WAIT_MS, ended.signal)]).finally(() => ended.abort());
  }

  return {
    async cancel(mediaId) {
      const { image, changed } = await markCancelled(mediaId);
      if (image?.status !== 'cancelled') return image;
      await waitForCancelledJob(queue.cancel(mediaId));
      const settled = await records.get(mediaId);
      if (changed) events.publish(mediaId, settled);
      // It was asked for again at this very moment, and the work that was stopped may have been for that.
      if (settled !== null && !isFinished(settled.status)) await queue.enqueue(mediaId);
      return settled;
    },
    async remove(mediaId) {
      const { image } = await markCancelled(mediaId);
      if (image?.status === 'cancelled') await queue.cancel(mediaId);
      await removeIf(mediaId);
    },
    removeFinished: (mediaId) => removeIf(mediaId, ({ status }) => isFinished(status)),
    async completeFor(mediaId) {
      const pending = (await records.pendingDeletions()).find((deletion) => deletion.mediaId === mediaId);
      if (pending) await complete(pending);
    },
    async completeAll() {
      for (const deletion of await records.pendingDeletions()) await complete(deletion);
    },
  };
}
