import type { Logger } from 'pino';
import { faultFields } from '../domain/errors.ts';
import { type Image, isFinished, isSameImage } from '../domain/image.ts';
import { isPinned } from '../domain/life-cycle/pinning.ts';
import { cancelled } from '../domain/life-cycle/transitions.ts';
import type { Clock } from '../ports/clock.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { Locks } from '../ports/locks.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';
import type { Telemetry } from '../ports/telemetry.ts';

interface DeletionDeps {
  readonly records: Pick<RecordStore, 'get' | 'update' | 'remove' | 'pendingDeletions' | 'deletionDone'>;
  readonly store: Pick<MediaStore, 'remove'>;
  readonly queue: Pick<JobQueue, 'enqueue' | 'cancel'>;
  readonly events: Pick<ImageEvents, 'publish'>;
  readonly locks: Locks;
  readonly telemetry: Pick<Telemetry, 'imageEnded'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Removes and cancels images. A deletion is durable in two steps: one transaction removes the record and notes the names of its
 * files, then the files are removed. From the first step on the files are no longer served; a crash in between is completed
 * at the next start or cleanup. Every method raises `ImageError` where the records cannot be read or written.
 */
export interface Deletions {
  /** Removes the image, whatever its state; a running one is cancelled first. Another that has its mediaId by now stays. */
  remove(found: FoundImage): Promise<void>;
  /**
   * Removes the image if it is finished, and was neither requested again nor given another expiry since it was read, nor pinned, and if
   * `condition` still holds for it; false otherwise, or when it is gone.
   */
  removeFinished(
    image: Pick<Image, 'mediaId' | 'requestedAt' | 'expiresAt'>,
    condition?: (image: Image) => boolean,
  ): Promise<boolean>;
  /**
   * Cancels an image that is not finished, durably, and aborts its running call. Resolves with the record once its job has
   * ended, or after `CANCEL_WAIT_MS`: a picture that still arrived may have to wait for disk space. Null: the image
   * was deleted since it was read, even if another one has its mediaId by now.
   */
  cancel(found: FoundImage): Promise<Image | null>;
  /**
   * Removes the files that a deleted image of this name left behind, unless another process does so now. Raises `ImageError` where the
   * store cannot remove them.
   */
  completeFor(mediaId: string): Promise<void>;
  /**
   * Completes every deletion that was interrupted, in this process or another one. One that cannot be completed is handed to
   * `onFault`, and the rest is done.
   */
  completeAll(onFault: (mediaId: string, error: unknown) => void): Promise<void>;
}

/** An image as it was read: which of those that may bear its mediaId one after another. */
type FoundImage = Pick<Image, 'mediaId' | 'owner' | 'createdAt'>;

/** How long `cancel` waits for the job to end, in milliseconds. */
const CANCEL_WAIT_MS = 5_000;

export function createDeletions({
  records,
  store,
  queue,
  events,
  locks,
  telemetry,
  clock,
  log,
}: DeletionDeps): Deletions {
  // One removal per mediaId at a time: a second one could delete files of a new image under the same name.
  const inFlight = new Map<string, Promise<void>>();

  function complete(mediaId: string): Promise<void> {
    const work = inFlight.get(mediaId) ?? removeFiles(mediaId).finally(() => inFlight.delete(mediaId));
    inFlight.set(mediaId, work);
    return work;
  }

  /**
   * Removes the files of a pending deletion. Of several processes one does it, and looks up within its lock what is left to do: once
   * another has done it, a new image may have the mediaId and files of these names. A process that loses the lock, with its connection, in
   * the middle of this goes on; the files of a new image are then safe by their names, which have their checksums (`MediaFile.stored`).
   */
  async function removeFiles(mediaId: string): Promise<void> {
    await using lock = await locks.tryLock(`deletion ${mediaId}`);
    if (lock === null) return;
    const deletion = await findPending(mediaId);
    if (deletion === undefined) return;
    // Stops the job first: it could publish a pending rendition after the files were removed.
    await queue.cancel(mediaId, { discard: true });
    await store.remove(deletion.names);
    await records.deletionDone(mediaId);
  }

  async function findPending(mediaId: string) {
    return (await records.pendingDeletions(mediaId)).find((deletion) => deletion.mediaId === mediaId);
  }

  async function removeIf(mediaId: string, condition?: (image: Image) => boolean): Promise<boolean> {
    const deletion = await records.remove(mediaId, condition);
    if (deletion === null) return false;
    events.publish(mediaId, null);
    log.info({ mediaId, files: deletion.names.length }, 'image deleted');
    await complete(mediaId).catch((error: unknown) => {
      log.warn(
        { mediaId, ...faultFields(error) },
        'files of a deleted image could not be removed yet; the next cleanup tries again',
      );
    });
    return true;
  }

  /**
   * Marks an unfinished image as cancelled, which its running job cannot undo. `changed` is false where it was finished, `image` null
   * where it is gone.
   */
  async function markCancelled(found: FoundImage): Promise<{ image: Image | null; changed: boolean }> {
    const { mediaId } = found;
    let changed = false;
    const image = await records.update(mediaId, (current) => {
      const next = isSameImage(found, current) ? cancelled(current, new Date(clock.now()).toISOString()) : null;
      changed = next !== null;
      return next;
    });
    if (image !== null && changed) {
      telemetry.imageEnded(image);
      log.info({ mediaId, requestId: image.requestId ?? undefined }, 'image cancelled');
    }
    return { image: sameImage(found, image), changed };
  }

  async function waitForEnd(jobEnded: Promise<void>): Promise<void> {
    const answered = new AbortController();
    await Promise.race([jobEnded, clock.sleep(CANCEL_WAIT_MS, answered.signal)]).finally(() => answered.abort());
  }

  return {
    async cancel(found) {
      const { mediaId } = found;
      const { image, changed } = await markCancelled(found);
      if (image?.status !== 'cancelled') return image;
      await waitForEnd(queue.cancel(mediaId));
      const settled = await records.get(mediaId);
      // It was requested again during the wait, or made again under its mediaId, and the job that was stopped may have been the new one.
      if (settled !== null && !isFinished(settled.status)) await queue.enqueue(mediaId);
      const same = sameImage(found, settled);
      // A deletion has been published already.
      if (changed && same !== null) events.publish(mediaId, same);
      return same;
    },
    async remove(found) {
      const { mediaId } = found;
      const { image } = await markCancelled(found);
      const isStopped = image?.status === 'cancelled';
      if (isStopped) await queue.cancel(mediaId, { discard: true });
      if (await removeIf(mediaId, (current) => isSameImage(found, current))) return;
      // It was deleted and made again before its job was stopped, which may have been the new one.
      const other = isStopped ? await records.get(mediaId) : null;
      if (other !== null && !isFinished(other.status)) await queue.enqueue(mediaId);
    },
    removeFinished: ({ mediaId, requestedAt, expiresAt }, condition = () => true) =>
      removeIf(
        mediaId,
        (image) =>
          isFinished(image.status) &&
          image.requestedAt === requestedAt &&
          image.expiresAt === expiresAt &&
          !isPinned(image) &&
          condition(image),
      ),
    async completeFor(mediaId) {
      if (await findPending(mediaId)) await complete(mediaId);
    },
    async completeAll(onFault) {
      for (const { mediaId } of await records.pendingDeletions()) {
        await complete(mediaId).catch((error: unknown) => onFault(mediaId, error));
      }
    },
  };
}

/** The stored image, where it is still the one that was found. */
function sameImage(found: FoundImage, stored: Image | null): Image | null {
  return stored !== null && isSameImage(found, stored) ? stored : null;
}
