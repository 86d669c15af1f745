import { setImmediate as nextTurn } from 'node:timers/promises';
import { storedBytes } from '../domain/file-names.ts';
import type { Image, ImageStatus } from '../domain/image.ts';
import type { CleanupReport, Place } from '../ports/record-store.ts';
import { BATCH, countImages, createInventory, type RetentionDeps, removeOrphans, type Sweep } from './orphans.ts';
import { repairMissingFiles } from './repair.ts';

export interface CleanupSpec {
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
export type CleanupOptions = { readonly [Part in keyof CleanupSpec]?: CleanupSpec[Part] | undefined };

/**
 * Removes what has expired, what is older or more than the order says, and files that no record owns, and has files made
 * again that a record has and the store has not. Works in batches and lets requests in between, so that it may take long but
 * holds nobody up.
 */
export async function cleanUp(deps: RetentionDeps, spec: CleanupSpec): Promise<CleanupReport> {
  const { records, deletions, clock, log } = deps;
  const began = clock.now();
  if (!spec.dryRun) await deletions.completeAll();
  const sweep: Sweep = { ...deps, dryRun: spec.dryRun, removed: new Set(), freedBytes: 0 };
  await removeExpired(sweep, spec, began);
  await removeExcess(sweep, spec);
  const deleted = sweep.removed.size;
  const inventory = await createInventory(sweep);
  const orphansRemoved = await removeOrphans(sweep, inventory, began);
  const missing = await repairMissingFiles(sweep, inventory, spec.dryRun);
  const remaining = await countImages(sweep);
  const { freedBytes } = sweep;
  const kept = spec.dryRun ? remaining - deleted : remaining;
  const ended = clock.now();
  const report = {
    deleted,
    freedBytes,
    kept,
    orphansRemoved,
    ...missing,
    dryRun: spec.dryRun,
    durationMs: ended - began,
  };
  await records.saveCleanup({ ...report, time: new Date(ended).toISOString() });
  log.info({ ...spec, ...report }, 'cleanup');
  return report;
}

async function removeExpired(sweep: Sweep, { olderThanMs, status }: CleanupSpec, now: number): Promise<void> {
  const createdBefore = olderThanMs === null ? null : now - olderThanMs;
  await removeEach(sweep, (after) => sweep.records.expired({ now, createdBefore, status, limit: BATCH, after }));
}

/** The oldest go first. Which were served last is not kept: it would be a write for every picture that is looked at. */
async function removeExcess(sweep: Sweep, { maxBytes, status }: CleanupSpec): Promise<void> {
  if (maxBytes === null) return;
  const bytes = await sweep.records.mediaBytes();
  let excess = bytes - maxBytes - (sweep.dryRun ? sweep.freedBytes : 0);
  await removeEach(
    sweep,
    (after) => (excess > 0 ? sweep.records.oldest(BATCH, after) : Promise.resolve([])),
    (image) => {
      if (excess <= 0 || sweep.removed.has(image.mediaId) || (status !== null && image.status !== status)) return false;
      excess -= storedBytes(image);
      return true;
    },
  );
}

/** Goes through the images, batch by batch, and takes those that are wanted. */
async function removeEach(
  sweep: Sweep,
  next: (after: Place | null) => Promise<readonly Image[]>,
  shouldRemove: (image: Image) => boolean = () => true,
): Promise<void> {
  let after: Place | null = null;
  for (;;) {
    const batch: readonly Image[] = await next(after);
    for (const image of batch) {
      if (!shouldRemove(image)) continue;
      // It may have been asked for again meanwhile.
      if (!sweep.dryRun && !(await sweep.deletions.removeFinished(image.mediaId))) continue;
      sweep.removed.add(image.mediaId);
      sweep.freedBytes += storedBytes(image);
    }
    const last = batch.at(-1);
    if (last === undefined || batch.length < BATCH) return;
    after = { createdAt: last.createdAt, mediaId: last.mediaId };
    // The records may answer without ever leaving this turn of the event loop.
    await nextTurn();
  }
}
