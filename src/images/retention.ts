import { setImmediate as nextTurn } from 'node:timers/promises';
import { storedBytes } from '../core/domain/file-names.ts';
import type { Image, ImageStatus } from '../core/domain/image.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { StoredFile } from '../core/ports/media-store.ts';
import type { CleanupReport, Place } from '../core/ports/record-store.ts';
import type { Deletions } from './deletion.ts';
import { type Inventory, type MissingFilesDeps, mendMissingFiles } from './missing-files.ts';
import { createNameFilter } from './name-filter.ts';

export interface RetentionDeps extends MissingFilesDeps {
  readonly deletions: Deletions;
  readonly clock: Clock;
}

/** A file without a record may be one whose record is about to be written; after this it is left over. */
const ORPHAN_AGE_MS = 60 * 60 * 1000;
const BATCH = 100;
/** Files without a record that are no sign of a wrong database, however few others there are. */
const FEW_STRANGERS = 10;
/** Files without a record that one run removes. */
const MOST_STRANGERS = 10_000;
/** Files that an image has as a rule: its original, its master, and two renditions. */
const FILES_PER_IMAGE = 4;

export interface CleanupOrder {
  /** Images that have no time of their own go when they are older, in milliseconds; null: never. */
  readonly olderThanMs: number | null;
  /** Then the oldest go until all that is left takes no more than this, in bytes; null: no matter. */
  readonly maxBytes: number | null;
  /** Only images of this status; files without a record go all the same. */
  readonly status: ImageStatus | null;
  /** Only says what would go. */
  readonly dryRun: boolean;
}

/** An order of which parts may be left unsaid. */
export type CleanupWish = { readonly [Part in keyof CleanupOrder]?: CleanupOrder[Part] | undefined };

/**
 * Removes what has expired, what is older or more than the order says, and files that no record owns, and has files made
 * again that a record has and the store has not. Works in batches and lets requests in between, so that it may take long but
 * holds nobody up.
 */
export async function cleanUp(deps: RetentionDeps, order: CleanupOrder): Promise<CleanupReport> {
  const { records, deletions, clock, log } = deps;
  const began = clock.now();
  if (!order.dryRun) await deletions.completeAll();
  const sweep: Sweep = { ...deps, dryRun: order.dryRun, taken: new Set(), freedBytes: 0 };
  await removeExpired(sweep, order, began);
  await removeExcess(sweep, order);
  const deleted = sweep.taken.size;
  const inventory = await createInventory(sweep);
  const orphansRemoved = await removeOrphans(sweep, inventory, began);
  const missing = await mendMissingFiles(sweep, inventory, order.dryRun);
  const left = await countImages(sweep);
  const { freedBytes } = sweep;
  const kept = order.dryRun ? left - deleted : left;
  const ended = clock.now();
  const report = {
    deleted,
    freedBytes,
    kept,
    orphansRemoved,
    ...missing,
    dryRun: order.dryRun,
    durationMs: ended - began,
  };
  await records.saveCleanup({ ...report, time: new Date(ended).toISOString() });
  log.info({ ...order, ...report }, 'cleanup');
  return report;
}

/** A cleanup under way. */
interface Sweep extends RetentionDeps {
  readonly dryRun: boolean;
  /** mediaIds of what went, or would go. */
  readonly taken: Set<string>;
  freedBytes: number;
}

async function removeExpired(sweep: Sweep, { olderThanMs, status }: CleanupOrder, now: number): Promise<void> {
  const createdBefore = olderThanMs === null ? null : now - olderThanMs;
  await takeEach(sweep, (after) => sweep.records.expired({ now, createdBefore, status, limit: BATCH, after }));
}

/** The oldest go first. Which were served last is not kept: it would be a write for every picture that is looked at. */
async function removeExcess(sweep: Sweep, { maxBytes, status }: CleanupOrder): Promise<void> {
  if (maxBytes === null) return;
  const bytes = await sweep.records.mediaBytes();
  let excess = bytes - maxBytes - (sweep.dryRun ? sweep.freedBytes : 0);
  await takeEach(
    sweep,
    (after) => (excess > 0 ? sweep.records.oldest(BATCH, after) : Promise.resolve([])),
    (image) => {
      if (excess <= 0 || sweep.taken.has(image.mediaId) || (status !== null && image.status !== status)) return false;
      excess -= storedBytes(image);
      return true;
    },
  );
}

/** Goes through the images, batch by batch, and takes those that are wanted. */
async function takeEach(
  sweep: Sweep,
  next: (after: Place | null) => Promise<readonly Image[]>,
  isWanted: (image: Image) => boolean = () => true,
): Promise<void> {
  let after: Place | null = null;
  for (;;) {
    const batch: readonly Image[] = await next(after);
    for (const image of batch) {
      if (!isWanted(image)) continue;
      // It may have been asked for again meanwhile.
      if (!sweep.dryRun && !(await sweep.deletions.removeFinished(image.mediaId))) continue;
      sweep.taken.add(image.mediaId);
      sweep.freedBytes += storedBytes(image);
    }
    const last = batch.at(-1);
    if (last === undefined || batch.length < BATCH) return;
    after = { createdAt: last.createdAt, mediaId: last.mediaId };
    // The records may answer without ever leaving this turn of the event loop.
    await nextTurn();
  }
}

async function countImages({ records }: Sweep): Promise<number> {
  return Object.values(await records.countByStatus()).reduce((sum, count) => sum + count, 0);
}

interface FilledInventory extends Inventory {
  files: number;
}

async function createInventory(sweep: Sweep): Promise<FilledInventory> {
  return { names: createNameFilter(FILES_PER_IMAGE * (await countImages(sweep))), files: 0 };
}

/**
 * Walks through the whole store, enters what is there in the inventory, and removes what nobody owns. Where that is most of
 * what is there, nothing goes: a database that does not know the pictures beside it is rather the wrong one.
 */
async function removeOrphans(sweep: Sweep, inventory: FilledInventory, now: number): Promise<number> {
  const { records, store, dryRun, log } = sweep;
  const strangers: StoredFile[] = [];
  let owned = 0;
  const sort = async (files: readonly StoredFile[]) => {
    const known = await records.ownedNames(files.map(({ name }) => name));
    const unknown = files.filter(({ name }) => !known.has(name));
    owned += files.length - unknown.length;
    strangers.push(...unknown.slice(0, Math.max(0, MOST_STRANGERS - strangers.length)));
    await nextTurn();
  };
  let batch: StoredFile[] = [];
  for await (const file of store.list()) {
    inventory.names.add(file.name);
    inventory.files += 1;
    if (file.modifiedAt > now - ORPHAN_AGE_MS) continue;
    batch.push(file);
    if (batch.length < BATCH) continue;
    await sort(batch);
    batch = [];
  }
  if (batch.length > 0) await sort(batch);

  if (strangers.length > FEW_STRANGERS && strangers.length > owned) {
    log.error(
      { strangers: strangers.length, owned },
      'most files in MEDIA_DIR belong to no image on record, so they are kept: is DATABASE_URL right, is MEDIA_DIR?',
    );
    return 0;
  }
  let count = 0;
  for (let from = 0; from < strangers.length; from += BATCH) {
    const files = strangers.slice(from, from + BATCH);
    // The walk may have taken long: a name may have come to an image meanwhile.
    const known = await records.ownedNames(files.map(({ name }) => name));
    const orphans = files.filter(({ name }) => !known.has(name));
    if (orphans.length > 0 && !dryRun) await store.remove(orphans.map(({ name }) => name));
    count += orphans.length;
    sweep.freedBytes += orphans.reduce((sum, file) => sum + file.bytes, 0);
    await nextTurn();
  }
  return count;
}
