import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { sha256 } from '../domain/file-names.ts';
import { hasSameOriginal, type Image } from '../domain/image.ts';
import { requeuedForRepair } from '../domain/transitions.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { MissingFiles, RecordStore } from '../ports/record-store.ts';
import { BATCH_SIZE, type Inventory } from './sweep.ts';

/** Finds images with missing files and, unless `dryRun`, queues them for repair. */
export type RepairMissingFiles = (inventory: Inventory, dryRun: boolean) => Promise<MissingFiles>;

interface RepairDeps {
  readonly records: Pick<RecordStore, 'get' | 'list' | 'update' | 'countByStatus'>;
  readonly store: Pick<MediaStore, 'read'>;
  readonly queue: Pick<JobQueue, 'enqueue' | 'depth'>;
  readonly events: Pick<ImageEvents, 'publish'>;
  /** How many images may be queued at a time; repairs use half of it at most. */
  readonly queueLimit: number;
  readonly log: Logger;
}

/** What the present record says of an image whose files are missing. */
interface Finding {
  readonly stillMissing: boolean;
  /** Whether it is queued for repair. */
  readonly repairing: boolean;
}

/** Images reported, logged and repaired in one run, as repairs share the queue with new pictures. */
const MAX_REPAIRS_PER_RUN = 100;

/**
 * Finds the succeeded images whose published files are missing and has the files made again from the original, without a
 * provider call and without new checks. An image whose original is missing too stays as it is: its remaining files are served,
 * and its caller may delete it. Images beyond 100, or beyond half of the queue, are left to the next run.
 *
 * The inventory saves asking the store for each file. A file that it lacks counts as missing when the store lacks it too and
 * the record still lists it after that, since it may have been published or deleted after the walk.
 */
export function createRepair({ records, store, queue, events, queueLimit, log }: RepairDeps): RepairMissingFiles {
  /** False when the store has fewer files than there are succeeded images: probably a volume is not mounted. */
  async function storeLooksMounted({ files }: Inventory): Promise<boolean> {
    const { succeeded } = await records.countByStatus();
    // Each succeeded image has two files at least, its original and its master: with fewer files than images most are missing.
    if (files >= succeeded) return true;
    log.error(
      { files, succeeded },
      'the media store has fewer files than there are pictures, so none is repaired: is its volume mounted, is MEDIA_DIR right?',
    );
    return false;
  }

  /** True while less than half of the queue is in use: new pictures come first. */
  async function queueHasRoom(): Promise<boolean> {
    const { waiting } = await queue.depth();
    return waiting < queueLimit / 2;
  }

  /** True when the stored original is intact, so that the image can be finished again without a call. */
  async function hasOriginal({ original }: Image): Promise<boolean> {
    const bytes = original && (await store.read(original.name));
    return bytes !== null && sha256(bytes) === original?.sha256;
  }

  async function findMissingFiles({ names }: Inventory, image: Image): Promise<readonly string[]> {
    const missing: string[] = [];
    for (const file of [image.master, ...image.renditions]) {
      if (file === null || names.mayContain(file.name)) continue;
      if ((await store.read(file.name)) === null) missing.push(file.name);
    }
    return missing;
  }

  /** Queues the image for repair, in the transaction that checks its record once more. The image stays as it is where none is due. */
  async function requeue(image: Image, missing: readonly string[]): Promise<Finding> {
    const { mediaId } = image;
    let stillMissing = false;
    let repairing = false;
    const latest = await records.update(mediaId, (current) => {
      stillMissing = listsAny(current, image, missing);
      const next = stillMissing ? requeuedForRepair(current, missing) : null;
      repairing = next !== null;
      return next;
    });
    if (repairing) {
      events.publish(mediaId, latest);
      await queue.enqueue(mediaId);
    }
    return { stillMissing, repairing };
  }

  return async (inventory, dryRun) => {
    const mayRepair = !dryRun && (await storeLooksMounted(inventory));
    const found: string[] = [];
    let missingFiles = 0;
    let cursor: string | undefined;
    do {
      const page = await records.list({ status: 'succeeded', limit: BATCH_SIZE, owner: null, cursor });
      for (const image of page.items) {
        const missing = await findMissingFiles(inventory, image);
        const withinLimit = found.length < MAX_REPAIRS_PER_RUN;
        if (missing.length === 0) continue;
        const mayRequeue = withinLimit && mayRepair && (await queueHasRoom()) && (await hasOriginal(image));
        const { stillMissing, repairing } = mayRequeue
          ? await requeue(image, missing)
          : { stillMissing: listsAny(await records.get(image.mediaId), image, missing), repairing: false };
        if (!stillMissing) continue;
        missingFiles += 1;
        if (!withinLimit) continue;
        found.push(image.mediaId);
        log.warn({ mediaId: image.mediaId, missing, repairing }, 'published files are gone');
      }
      cursor = page.nextCursor ?? undefined;
      // A record store may answer without leaving this turn of the event loop, so requests get their turn here.
      await nextTurn();
    } while (cursor !== undefined);
    return { missingFiles, missingFilesOf: found };
  };
}

/** Whether the record still shows the same picture as `image`, and one of these files of it. */
function listsAny(current: Image | null, image: Image, names: readonly string[]): boolean {
  if (current === null || !hasSameOriginal(current, image)) return false;
  return [current.master, ...current.renditions].some((file) => file !== null && names.includes(file.name));
}
