import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { sha256 } from '../domain/file-names.ts';
import { hasSameOriginal, type Image } from '../domain/image.ts';
import { requeuedForRepair } from '../domain/transitions.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { MissingFiles, RecordStore } from '../ports/record-store.ts';
import type { BloomFilter } from './bloom-filter.ts';

export interface MissingFilesDeps {
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly queue: JobQueue;
  readonly events: ImageEvents;
  readonly queueLimit: number;
  readonly log: Logger;
}

/** What a walk through the store has just found. */
export interface Inventory {
  readonly names: BloomFilter;
  readonly files: number;
}

const BATCH = 100;
/** That are named, logged and mended by one run: they stand in the queue with the pictures that callers wait for. */
const MAX_REPAIRS_PER_RUN = 100;

/**
 * Finds the succeeded images of which a published file is gone, and unless told only to look has the files made again from
 * the original, which calls nobody and judges nothing anew. An image whose original is gone too stays as it is: what is left
 * of it is served, and its caller may delete it. What is beyond 100 images, or half of the queue, is left for the next run.
 *
 * The inventory spares asking the store for each file. A file that it has not counts as gone when the store has not got it
 * either and the record still claims it after that: it may have been published or deleted meanwhile.
 */
export async function repairMissingFiles(
  deps: MissingFilesDeps,
  inventory: Inventory,
  dryRun: boolean,
): Promise<MissingFiles> {
  const mayRepair = !dryRun && (await storeLooksMounted(deps, inventory));
  const found: string[] = [];
  let missingFiles = 0;
  let cursor: string | undefined;
  do {
    const page = await deps.records.list({ status: 'succeeded', limit: BATCH, owner: null, cursor });
    for (const image of page.items) {
      const missing = await findMissingFiles(deps, inventory, image);
      const withinLimit = found.length < MAX_REPAIRS_PER_RUN;
      if (missing.length === 0) continue;
      const repair = withinLimit && mayRepair && (await queueHasRoom(deps)) && (await hasOriginal(deps, image));
      if (!(await requeueIfStillMissing(deps, image, missing, repair))) continue;
      missingFiles += 1;
      if (!withinLimit) continue;
      found.push(image.mediaId);
      deps.log.warn({ mediaId: image.mediaId, missing: missing, mending: repair }, 'published files are gone');
    }
    cursor = page.nextCursor ?? undefined;
    // The records may answer without ever leaving this turn of the event loop.
    await nextTurn();
  } while (cursor !== undefined);
  return { missingFiles, missingFilesOf: found };
}

/**
 * Whether the store is the one that the records know. Each succeeded image has two names there at least, its original and
 * its master; where not half of them are left, rather a volume is not mounted than that the files went one by one.
 */
async function storeLooksMounted({ records, log }: MissingFilesDeps, { files }: Inventory): Promise<boolean> {
  const { succeeded } = await records.countByStatus();
  if (files >= succeeded) return true;
  log.error(
    { files, succeeded },
    'the media store has fewer files than there are pictures, so none is taken to be lost: is its volume mounted, is MEDIA_DIR right?',
  );
  return false;
}

/** Callers who wait for new pictures come first. */
async function queueHasRoom({ queue, queueLimit }: MissingFilesDeps): Promise<boolean> {
  const { waiting } = await queue.depth();
  return waiting < queueLimit / 2;
}

/** Whether the image can be finished again without a call. */
async function hasOriginal({ store }: MissingFilesDeps, { original }: Image): Promise<boolean> {
  const bytes = original && (await store.read(original.name));
  return bytes !== null && sha256(bytes) === original?.sha256;
}

async function findMissingFiles(
  { store }: MissingFilesDeps,
  { names }: Inventory,
  image: Image,
): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const file of [image.master, ...image.renditions]) {
    if (file === null || names.mayContain(file.name)) continue;
    if ((await store.read(file.name)) === null) missing.push(file.name);
  }
  return missing;
}

/** Says whether the record still claims the files that are gone, and if so, and if it is to be mended, makes it a job. */
async function requeueIfStillMissing(
  { records, queue, events }: MissingFilesDeps,
  image: Image,
  missing: readonly string[],
  repair: boolean,
): Promise<boolean> {
  const { mediaId } = image;
  if (!repair) return hasSameOriginal(await records.get(mediaId), image);
  let stillMissing = false;
  const latest = await records.update(mediaId, (current) => {
    stillMissing = hasSameOriginal(current, image);
    return stillMissing ? requeuedForRepair(current, missing) : null;
  });
  if (!stillMissing) return false;
  events.publish(mediaId, latest);
  await queue.enqueue(mediaId);
  return true;
}
