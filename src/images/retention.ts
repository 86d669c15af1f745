import type { Logger } from 'pino';
import type { Deletions } from './deletion.ts';
import type { Image } from './image.ts';
import type { Clock, MediaStore, RecordStore, StoredFile } from './ports.ts';
import type { CleanupOrder, CleanupReport } from './service.ts';

export interface RetentionDeps {
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly deletions: Deletions;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A file without a record may be one whose record is about to be written; after this it is left over. */
const ORPHAN_AGE_MS = 60 * 60 * 1000;
const BATCH = 100;

/** Removes what has expired, what is older than the order says, and files that no record owns. */
export async function cleanUp(deps: RetentionDeps, order: CleanupOrder): Promise<CleanupReport> {
  const began = deps.clock.now();
  if (!order.dryRun) await deps.deletions.completeAll();
  const { deleted, freedBytes } = await removeExpired(deps, order, began);
  const orphans = await removeOrphans(deps, order.dryRun, began);
  const counts = await deps.records.countByStatus();
  const left = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const report = {
    deleted,
    freedBytes: freedBytes + orphans.bytes,
    kept: order.dryRun ? left - deleted : left,
    orphansRemoved: orphans.count,
    dryRun: order.dryRun,
    durationMs: deps.clock.now() - began,
  };
  deps.log.info({ ...report, olderThanMs: order.olderThanMs, status: order.status }, 'cleanup');
  return report;
}

async function removeExpired(deps: RetentionDeps, order: CleanupOrder, now: number) {
  const createdBefore = order.olderThanMs === null ? null : now - order.olderThanMs;
  let deleted = 0;
  let freedBytes = 0;
  let after: { createdAt: string; mediaId: string } | null = null;
  for (;;) {
    const batch: readonly Image[] = await deps.records.expired({
      now,
      createdBefore,
      status: order.status,
      limit: BATCH,
      after,
    });
    for (const image of batch) {
      // It may have been asked for again meanwhile.
      if (!order.dryRun && !(await deps.deletions.removeFinished(image.mediaId))) continue;
      deleted += 1;
      freedBytes += bytesOf(image);
    }
    const last = batch.at(-1);
    if (last === undefined || batch.length < BATCH) return { deleted, freedBytes };
    after = { createdAt: last.createdAt, mediaId: last.mediaId };
  }
}

function bytesOf({ original, master, renditions }: Image): number {
  return [original, master, ...renditions].reduce((sum, file) => sum + (file?.bytes ?? 0), 0);
}

async function removeOrphans({ records, store }: RetentionDeps, dryRun: boolean, now: number) {
  let count = 0;
  let bytes = 0;
  const sweep = async (files: readonly StoredFile[]) => {
    const owned = await records.ownedNames(files.map(({ name }) => name));
    const orphans = files.filter((file) => !owned.has(file.name));
    if (!dryRun) await store.remove(orphans.map(({ name }) => name));
    count += orphans.length;
    bytes += orphans.reduce((sum, file) => sum + file.bytes, 0);
  };
  let batch: StoredFile[] = [];
  for await (const file of store.list()) {
    if (file.modifiedAt > now - ORPHAN_AGE_MS) continue;
    batch.push(file);
    if (batch.length < BATCH) continue;
    await sweep(batch);
    batch = [];
  }
  await sweep(batch);
  return { count, bytes };
}
