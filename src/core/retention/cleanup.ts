import { setImmediate as nextTurn } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { Logger } from 'pino';
import { inputNames, possibleNames } from '../domain/file-names.ts';
import type { Image, ImageStatus } from '../domain/image.ts';
import type { Clock } from '../ports/clock.ts';
import { takeLock } from '../ports/lock-wait.ts';
import type { Locks } from '../ports/locks.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { CleanupReport, Place, RecordStore } from '../ports/record-store.ts';
import type { Deletions } from './deletions.ts';
import type { RemoveOrphans } from './orphans.ts';
import type { RepairMissingFiles } from './repair.ts';
import { BATCH_SIZE, countImages, type Sweep } from './sweep.ts';
import type { SweepWatch } from './sweep-watch.ts';

/** What one cleanup removes. */
interface CleanupSpec {
  /** Age of the present run in milliseconds beyond which images without an expiry of their own are removed; null: no limit. */
  readonly olderThanMs: number | null;
  /** Then the oldest images are removed until the rest takes at most this many bytes; null: no limit. */
  readonly maxBytes: number | null;
  /** Remove only images of this status; null: of any. Orphans are removed in either case. */
  readonly status: ImageStatus | null;
  /** Remove only images with this label, or of this owner; null: of any. With one of them no orphans are removed, which have neither. */
  readonly label: string | null;
  readonly owner: string | null;
  /** Report only, remove nothing. */
  readonly dryRun: boolean;
}

/** Overrides of the configured retention; absent parts use the settings. */
export type CleanupOptions = { readonly [Part in keyof CleanupSpec]?: CleanupSpec[Part] | undefined };

/** mediaIds that the report of a dry run names. */
const MAX_NAMED_IMAGES = 100;

/** The lock that a cleanup runs under. */
export const CLEANUP_LOCK = 'cleanup';

/** Between two looks at whether another process has ended its cleanup, in milliseconds. */
const MAX_TURN_PAUSE_MS = 1_000;

export type Cleanup = (options: CleanupOptions) => Promise<CleanupReport>;

interface CleanupDeps {
  readonly records: Pick<RecordStore, 'expired' | 'oldest' | 'countByStatus' | 'countSharing' | 'saveCleanup'>;
  readonly store: Pick<MediaStore, 'bytesOf' | 'usedBytes'>;
  readonly deletions: Pick<Deletions, 'completeAll' | 'removeFinished'>;
  readonly removeOrphans: RemoveOrphans;
  readonly repairMissingFiles: RepairMissingFiles;
  /** The configured retention. */
  readonly retention: Pick<CleanupSpec, 'olderThanMs' | 'maxBytes'>;
  readonly watch: SweepWatch;
  readonly locks: Locks;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Removes expired images, then orphans, then the oldest images beyond the limit, and repairs images with missing files.
 * Runs in batches and yields to requests in between. Cleanups are serialized, among all processes over these records.
 *
 * A file or an image that cannot be dealt with ends nothing: it is passed over, and reported. Rejects where the records cannot be read
 * or the store cannot be walked through.
 */
export function createCleanup(deps: CleanupDeps): Cleanup {
  const { records, deletions, removeOrphans, repairMissingFiles, retention, watch, locks, clock, log } = deps;
  const cleanups = new PQueue({ concurrency: 1 });

  async function cleanUp(spec: CleanupSpec): Promise<CleanupReport> {
    await using _ = await takeLock(locks, CLEANUP_LOCK, { clock, maxPauseMs: MAX_TURN_PAUSE_MS });
    const began = clock.monotonic();
    const notes = watch.begin(spec.dryRun);
    try {
      const { passOver } = notes;
      const sweep: Sweep = {
        dryRun: spec.dryRun,
        keepsOrphans: spec.label !== null || spec.owner !== null,
        startedAt: clock.now(),
        removed: new Set(),
        released: new Map(),
        freedBytes: 0,
        passOver,
      };
      const found = await run(sweep, spec);
      const report = { ...found, ...notes.passedOver(), dryRun: sweep.dryRun, durationMs: clock.monotonic() - began };
      await records.saveCleanup({ ...report, time: new Date(clock.now()).toISOString() });
      log.info({ ...spec, ...report }, 'cleanup');
      notes.end();
      return report;
    } catch (error) {
      notes.end(error);
      throw error;
    }
  }

  async function run(sweep: Sweep, spec: CleanupSpec) {
    const { dryRun, passOver } = sweep;
    if (!dryRun) await deletions.completeAll(passOver);
    await removeExpired(deps, sweep, spec);
    // Before the excess is measured: what belongs to no image must not push out one that does.
    const { orphansRemoved, foreignFiles, unownedBytes, inventory } = await removeOrphans(sweep);
    await removeExcess(deps, sweep, spec, unownedBytes);
    const missing = await repairMissingFiles(inventory, sweep);
    // Files of the images removed above that could not be.
    if (!dryRun) await deletions.completeAll(passOver);
    const deleted = sweep.removed.size;
    const remaining = await countImages(records);
    const kept = dryRun ? remaining - deleted : remaining;
    const mediaIds = [...sweep.removed].slice(0, MAX_NAMED_IMAGES);
    return {
      deleted,
      ...(dryRun && { mediaIds }),
      freedBytes: sweep.freedBytes,
      kept,
      orphansRemoved,
      foreignFiles,
      ...missing,
    };
  }

  return (options) => {
    const spec: CleanupSpec = {
      olderThanMs: options.olderThanMs ?? retention.olderThanMs,
      maxBytes: options.maxBytes ?? retention.maxBytes,
      status: options.status ?? null,
      label: options.label ?? null,
      owner: options.owner ?? null,
      dryRun: options.dryRun ?? false,
    };
    return cleanups.add(() => cleanUp(spec));
  };
}

type RemovalDeps = Pick<CleanupDeps, 'records' | 'store' | 'deletions' | 'log'>;

/** Whether an image is one of those that the cleanup is for, whatever its age. */
type IsMeant = (image: Image) => boolean;

function isMeantBy({ status, label, owner }: CleanupSpec): IsMeant {
  return (image) =>
    (status === null || image.status === status) &&
    (label === null || image.request.labels.includes(label)) &&
    (owner === null || image.owner === owner);
}

async function removeExpired(deps: RemovalDeps, sweep: Sweep, spec: CleanupSpec): Promise<void> {
  const { olderThanMs, status } = spec;
  const now = sweep.startedAt;
  const requestedBefore = olderThanMs === null ? null : now - olderThanMs;
  await removeEach(deps, sweep, isMeantBy(spec), (after) =>
    deps.records.expired({ now, requestedBefore, status, limit: BATCH_SIZE, after }),
  );
}

/**
 * Removes the oldest of the images that are meant until all files of all images fit into `maxBytes`. Files that belong to none take room,
 * too, but no picture goes for them: to remove it would not bring them below the limit for long. It does not go by the last access: to
 * record that would cost a write for each picture served.
 */
async function removeExcess(deps: RemovalDeps, sweep: Sweep, spec: CleanupSpec, unownedBytes: number): Promise<void> {
  const { maxBytes } = spec;
  if (maxBytes === null) return;
  const limit = maxBytes;
  const onDisk = await deps.store.usedBytes();
  const used = onDisk - unownedBytes;
  if (onDisk > limit && unownedBytes > 0) {
    deps.log.warn(
      { unownedBytes, onDisk, maxBytes },
      'files that belong to no image take room; no picture is removed for them',
    );
  }
  const freedBefore = sweep.freedBytes;
  // In a dry run what would have been freed so far is still on disk.
  const excess = () => used - limit - (sweep.freedBytes - (sweep.dryRun ? 0 : freedBefore));
  await removeEach(
    deps,
    sweep,
    isMeantBy(spec),
    (after) => (excess() > 0 ? deps.records.oldest(BATCH_SIZE, after) : Promise.resolve([])),
    (image, bytes) =>
      // What frees nothing is not removed for its size.
      bytes > 0 && excess() > 0 && !sweep.removed.has(image.mediaId),
  );
}

/** Walks the images that `next` gives, batch by batch, and removes those that are meant and that `shouldRemove` accepts. */
async function removeEach(
  { records, store, deletions }: RemovalDeps,
  sweep: Sweep,
  isMeant: IsMeant,
  next: (after: Place | null) => Promise<readonly Image[]>,
  shouldRemove: (image: Image, bytes: number) => boolean = () => true,
): Promise<void> {
  const remove = async (image: Image): Promise<void> => {
    if (!isMeant(image)) return;
    const inputs = inputNames(image);
    const bytes = await store.bytesOf([...possibleNames(image), ...(await lastUses(records, sweep, inputs))]);
    if (!shouldRemove(image, bytes)) return;
    // An image that was requested again, pinned, given another expiry or taken its label meanwhile stays.
    if (!sweep.dryRun && !(await deletions.removeFinished(image, isMeant))) return;
    sweep.removed.add(image.mediaId);
    sweep.freedBytes += bytes;
    if (!sweep.dryRun) return;
    for (const name of inputs) sweep.released.set(name, (sweep.released.get(name) ?? 0) + 1);
  };
  let after: Place | null = null;
  for (;;) {
    const batch: readonly Image[] = await next(after);
    for (const image of batch) {
      await remove(image).catch((error: unknown) => sweep.passOver(image.mediaId, error));
    }
    const last = batch.at(-1);
    if (last === undefined || batch.length < BATCH_SIZE) return;
    after = { requestedAt: last.requestedAt, mediaId: last.mediaId };
    // A record store may answer without leaving this turn of the event loop, so requests get their turn here.
    await nextTurn();
  }
}

/** Those of an image's inputs that no other image has, or none that the sweep leaves: they go with it. */
async function lastUses(
  records: Pick<RecordStore, 'countSharing'>,
  { released }: Sweep,
  inputs: readonly string[],
): Promise<readonly string[]> {
  if (inputs.length === 0) return inputs;
  const users = await records.countSharing(inputs, null);
  return inputs.filter((name) => (users.get(name) ?? 0) - (released.get(name) ?? 0) <= 1);
}
