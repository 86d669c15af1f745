import { setImmediate as nextTurn } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { Logger } from 'pino';
import { storedBytes } from '../domain/file-names.ts';
import type { Image, ImageStatus } from '../domain/image.ts';
import type { Clock } from '../ports/clock.ts';
import type { CleanupReport, Place, RecordStore } from '../ports/record-store.ts';
import type { Deletions } from './deletions.ts';
import type { RemoveOrphans } from './orphans.ts';
import type { RepairMissingFiles } from './repair.ts';
import { BATCH_SIZE, countImages, type Sweep } from './sweep.ts';

/** What one cleanup removes. */
interface CleanupSpec {
  /** Age of the present run in milliseconds beyond which images without an expiry of their own are removed; null: no limit. */
  readonly olderThanMs: number | null;
  /** Then the oldest images are removed until the rest takes at most this many bytes; null: no limit. */
  readonly maxBytes: number | null;
  /** Remove only images of this status; null: of any. Orphans are removed in either case. */
  readonly status: ImageStatus | null;
  /** Report only, remove nothing. */
  readonly dryRun: boolean;
}

/** Overrides of the configured retention; absent parts use the settings. */
export type CleanupOptions = { readonly [Part in keyof CleanupSpec]?: CleanupSpec[Part] | undefined };

export type Cleanup = (options: CleanupOptions) => Promise<CleanupReport>;

interface CleanupDeps {
  readonly records: Pick<RecordStore, 'expired' | 'oldest' | 'mediaBytes' | 'countByStatus' | 'saveCleanup'>;
  readonly deletions: Pick<Deletions, 'completeAll' | 'removeFinished'>;
  readonly removeOrphans: RemoveOrphans;
  readonly repairMissingFiles: RepairMissingFiles;
  /** The configured retention. */
  readonly retention: Pick<CleanupSpec, 'olderThanMs' | 'maxBytes'>;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly log: Logger;
}

/**
 * Removes expired images, then the oldest beyond the limit, then orphans, and repairs images with missing files.
 * Runs in batches and yields to requests in between. Cleanups are serialized.
 */
export function createCleanup(deps: CleanupDeps): Cleanup {
  const { records, deletions, removeOrphans, repairMissingFiles, retention, clock, log } = deps;
  const cleanups = new PQueue({ concurrency: 1 });

  async function cleanUp(spec: CleanupSpec): Promise<CleanupReport> {
    const { dryRun } = spec;
    const startedAt = clock.now();
    const began = clock.monotonic();
    if (!dryRun) await deletions.completeAll();
    const sweep: Sweep = { dryRun, startedAt, removed: new Set(), freedBytes: 0 };
    await removeExpired(deps, sweep, spec);
    await removeExcess(deps, sweep, spec);
    const deleted = sweep.removed.size;
    const { orphansRemoved, inventory } = await removeOrphans(sweep);
    const missing = await repairMissingFiles(inventory, dryRun);
    const remaining = await countImages(records);
    const { freedBytes } = sweep;
    const kept = dryRun ? remaining - deleted : remaining;
    const durationMs = clock.monotonic() - began;
    const report = { deleted, freedBytes, kept, orphansRemoved, ...missing, dryRun, durationMs };
    await records.saveCleanup({ ...report, time: new Date(clock.now()).toISOString() });
    log.info({ ...spec, ...report }, 'cleanup');
    return report;
  }

  return (options) => {
    const spec: CleanupSpec = {
      olderThanMs: options.olderThanMs ?? retention.olderThanMs,
      maxBytes: options.maxBytes ?? retention.maxBytes,
      status: options.status ?? null,
      dryRun: options.dryRun ?? false,
    };
    return cleanups.add(() => cleanUp(spec));
  };
}

type RemovalDeps = Pick<CleanupDeps, 'records' | 'deletions'>;

async function removeExpired(deps: RemovalDeps, sweep: Sweep, { olderThanMs, status }: CleanupSpec): Promise<void> {
  const now = sweep.startedAt;
  const requestedBefore = olderThanMs === null ? null : now - olderThanMs;
  await removeEach(deps, sweep, (after) =>
    deps.records.expired({ now, requestedBefore, status, limit: BATCH_SIZE, after }),
  );
}

/**
 * Removes the oldest images until the rest fits into `maxBytes`. It does not go by the last access: to record that would cost a write
 * for each picture served.
 */
async function removeExcess(deps: RemovalDeps, sweep: Sweep, { maxBytes, status }: CleanupSpec): Promise<void> {
  if (maxBytes === null) return;
  const bytes = await deps.records.mediaBytes();
  let excess = bytes - maxBytes - (sweep.dryRun ? sweep.freedBytes : 0);
  await removeEach(
    deps,
    sweep,
    (after) => (excess > 0 ? deps.records.oldest(BATCH_SIZE, after) : Promise.resolve([])),
    (image) => {
      if (excess <= 0 || sweep.removed.has(image.mediaId) || (status !== null && image.status !== status)) return false;
      excess -= storedBytes(image);
      return true;
    },
  );
}

/** Walks the images that `next` gives, batch by batch, and removes those that `shouldRemove` accepts. */
async function removeEach(
  { deletions }: RemovalDeps,
  sweep: Sweep,
  next: (after: Place | null) => Promise<readonly Image[]>,
  shouldRemove: (image: Image) => boolean = () => true,
): Promise<void> {
  let after: Place | null = null;
  for (;;) {
    const batch: readonly Image[] = await next(after);
    for (const image of batch) {
      if (!shouldRemove(image)) continue;
      // An image that was requested again meanwhile has a new life, and stays.
      if (!sweep.dryRun && !(await deletions.removeFinished(image))) continue;
      sweep.removed.add(image.mediaId);
      sweep.freedBytes += storedBytes(image);
    }
    const last = batch.at(-1);
    if (last === undefined || batch.length < BATCH_SIZE) return;
    after = { requestedAt: last.requestedAt, mediaId: last.mediaId };
    // A record store may answer without leaving this turn of the event loop, so requests get their turn here.
    await nextTurn();
  }
}
