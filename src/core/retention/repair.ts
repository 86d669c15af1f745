import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { publishedFiles, sha256, storedNameOf } from '../domain/file-names.ts';
import { hasSameOriginal, type Image, type MediaFile } from '../domain/image.ts';
import { requeuedForRepair } from '../domain/life-cycle/transitions.ts';
import type { Clock } from '../ports/clock.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { MissingFiles, RecordStore } from '../ports/record-store.ts';
import { BATCH_SIZE, type Inventory, type Sweep } from './sweep.ts';

/** Finds images with missing or damaged files and, unless it is a dry run, queues them for repair. */
export type RepairMissingFiles = (
  inventory: Inventory,
  sweep: Pick<Sweep, 'dryRun' | 'passOver'>,
) => Promise<MissingFiles>;

interface RepairDeps {
  readonly records: Pick<RecordStore, 'get' | 'list' | 'update' | 'countByStatus'>;
  readonly store: Pick<MediaStore, 'read'>;
  readonly queue: Pick<JobQueue, 'enqueue' | 'depth'>;
  readonly events: Pick<ImageEvents, 'publish'>;
  /** How many images may be queued at a time; repairs use half of it at most. */
  readonly queueLimit: number;
  /** Makes the thumbnail of a succeeded image that has none. */
  readonly ensureThumbnail: (mediaId: string) => Promise<unknown>;
  readonly clock: Pick<Clock, 'now'>;
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
/** Bytes of files of the right size that one run reads to compare their checksums; the next run goes on behind them. */
const MAX_HASHED_BYTES_PER_RUN = 64 * 1024 * 1024;

/**
 * Finds the succeeded images whose published files are missing or damaged and has the files made again from the original, without a
 * provider call and without new checks. An image whose original is missing too stays as it is: its remaining files are served,
 * and its caller may delete it. Images beyond 100, or beyond half of the queue, are left to the next run.
 *
 * The inventory saves asking the store for each file. A file that it lacks, by name and size, counts as missing when the store has not
 * its content either and the record still lists it after that, since it may have been published or deleted after the walk. Damage that
 * leaves the size as it is shows in time: each run compares the checksums of some images, and the next goes on with others.
 */
export function createRepair(deps: RepairDeps): RepairMissingFiles {
  const { records, store, queue, events, queueLimit, ensureThumbnail, clock, log } = deps;

  /** False when the store has fewer files than there are succeeded images: probably a volume is not mounted. */
  async function storeLooksMounted({ files }: Inventory): Promise<boolean> {
    const { succeeded } = await records.countByStatus();
    // Each succeeded image has two files at least, its original and its master: with fewer files than images most are missing.
    if (files >= succeeded) return true;
    log.error(
      { files, succeeded },
      'the media store has fewer files than there are pictures, so none is repaired: is its volume mounted, MEDIA_DIR or S3_BUCKET right?',
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

  async function isIntact(file: MediaFile): Promise<boolean> {
    const content = await store.read(storedNameOf(file));
    return content?.byteLength === file.bytes && sha256(content) === file.sha256;
  }

  async function findMissingFiles(
    inventory: Inventory,
    checksums: Checksums,
    image: Image,
  ): Promise<readonly string[]> {
    const missing: string[] = [];
    for (const file of publishedFiles(image)) {
      if (inventory.mayHold({ name: storedNameOf(file), bytes: file.bytes }) && !checksums.isDue(file)) continue;
      if (!(await isIntact(file))) missing.push(file.name);
    }
    return missing;
  }

  /** Queues the image for repair, in the transaction that checks its record once more. The image stays as it is where none is due. */
  async function requeue(image: Image, missing: readonly string[]): Promise<Finding> {
    const { mediaId } = image;
    let stillMissing = false;
    let repairing = false;
    const at = new Date(clock.now()).toISOString();
    const latest = await records.update(mediaId, (current) => {
      stillMissing = listsAny(current, image, missing);
      const next = stillMissing ? requeuedForRepair(current, missing, at) : null;
      repairing = next !== null;
      return next;
    });
    if (repairing) {
      events.publish(mediaId, latest);
      const isJob = latest?.status !== 'succeeded' || latest.pending.length > 0;
      if (isJob) await queue.enqueue(mediaId);
      // It takes a moment and is no job. Where it fails, which is logged, the next request makes it.
      if (latest?.status === 'succeeded') await ensureThumbnail(mediaId).catch(() => undefined);
    }
    return { stillMissing, repairing };
  }

  let hashedUpTo: string | null = null;

  return async (inventory, { dryRun, passOver }) => {
    const mayRepair = !dryRun && (await storeLooksMounted(inventory));
    const checksums = createChecksums(hashedUpTo);
    const found: string[] = [];
    let missingFiles = 0;

    const examine = async (image: Image): Promise<void> => {
      const missing = await findMissingFiles(inventory, checksums, image);
      const withinLimit = found.length < MAX_REPAIRS_PER_RUN;
      if (missing.length === 0) return;
      const mayRequeue = withinLimit && mayRepair && (await queueHasRoom()) && (await hasOriginal(image));
      const { stillMissing, repairing } = mayRequeue
        ? await requeue(image, missing)
        : { stillMissing: listsAny(await records.get(image.mediaId), image, missing), repairing: false };
      if (!stillMissing) return;
      missingFiles += 1;
      if (!withinLimit) return;
      found.push(image.mediaId);
      log.warn({ mediaId: image.mediaId, missing, repairing }, 'published files are gone or damaged');
    };

    let cursor: string | undefined;
    do {
      const page = await records.list({ status: ['succeeded'], limit: BATCH_SIZE, owner: null, cursor });
      for (const image of page.items) {
        await examine(image).catch((error: unknown) => passOver(image.mediaId, error));
        checksums.passed(image.mediaId);
      }
      cursor = page.nextCursor ?? undefined;
      // A record store may answer without leaving this turn of the event loop, so requests get their turn here.
      await nextTurn();
    } while (cursor !== undefined);
    hashedUpTo = checksums.end();
    return { missingFiles, missingFilesOf: found };
  };
}

/** Which files of one run have their checksums compared, though their sizes are right. */
interface Checksums {
  /** True while the run has bytes left to read and is past the images of earlier runs. Takes the file's bytes from those left. */
  isDue(file: MediaFile): boolean;
  /** Call after each image. */
  passed(mediaId: string): void;
  /** The mediaId behind which the next run goes on; null to begin anew. */
  end(): string | null;
}

function createChecksums(after: string | null): Checksums {
  let left = MAX_HASHED_BYTES_PER_RUN;
  let begun = after === null;
  let last: string | null = null;
  return {
    isDue({ bytes }) {
      if (!begun || left <= 0) return false;
      left -= bytes;
      return true;
    },
    passed(mediaId) {
      if (begun && left <= 0) last ??= mediaId;
      if (mediaId === after) begun = true;
    },
    end: () => last,
  };
}

/** Whether the record still shows the same picture as `image`, and one of these files of it as it was then. */
function listsAny(current: Image | null, image: Image, names: readonly string[]): boolean {
  if (current === null || !hasSameOriginal(current, image)) return false;
  const found = publishedFiles(image).filter(({ name }) => names.includes(name));
  const isEqual = (one: MediaFile, other: MediaFile) =>
    one.name === other.name && one.sha256 === other.sha256 && one.stored === other.stored;
  return publishedFiles(current).some((file) => found.some((before) => isEqual(file, before)));
}
