import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../ports/clock.ts';
import type { StoredFile } from '../ports/media-store.ts';
import { createBloomFilter } from './bloom-filter.ts';
import type { Deletions } from './deletions.ts';
import type { Inventory, MissingFilesDeps } from './repair.ts';

export interface RetentionDeps extends MissingFilesDeps {
  readonly deletions: Deletions;
  readonly clock: Clock;
}

/** A file without a record may be one whose record is about to be written; after this it is left over. */
const ORPHAN_AGE_MS = 60 * 60 * 1000;
export const BATCH = 100;
/** Files without a record that are no sign of a wrong database, however few others there are. */
const ALWAYS_REMOVABLE_ORPHANS = 10;
/** Files without a record that one run removes. */
const MAX_ORPHANS_PER_RUN = 10_000;
/** Files that an image has as a rule: its original, its master, and two renditions. */
const FILES_PER_IMAGE = 4;

/** A cleanup under way. */
export interface Sweep extends RetentionDeps {
  readonly dryRun: boolean;
  /** mediaIds of what went, or would go. */
  readonly removed: Set<string>;
  freedBytes: number;
}

export async function countImages({ records }: Sweep): Promise<number> {
  return Object.values(await records.countByStatus()).reduce((sum, count) => sum + count, 0);
}

interface FilledInventory extends Inventory {
  files: number;
}

export async function createInventory(sweep: Sweep): Promise<FilledInventory> {
  return { names: createBloomFilter(FILES_PER_IMAGE * (await countImages(sweep))), files: 0 };
}

/**
 * Walks through the whole store, enters what is there in the inventory, and removes what nobody owns. Where that is most of
 * what is there, nothing goes: a database that does not know the pictures beside it is rather the wrong one.
 */
export async function removeOrphans(sweep: Sweep, inventory: FilledInventory, now: number): Promise<number> {
  const { records, store, dryRun, log } = sweep;
  const candidates: StoredFile[] = [];
  let owned = 0;
  const classify = async (files: readonly StoredFile[]) => {
    const known = await records.ownedNames(files.map(({ name }) => name));
    const unknown = files.filter(({ name }) => !known.has(name));
    owned += files.length - unknown.length;
    candidates.push(...unknown.slice(0, Math.max(0, MAX_ORPHANS_PER_RUN - candidates.length)));
    await nextTurn();
  };
  let batch: StoredFile[] = [];
  for await (const file of store.list()) {
    inventory.names.add(file.name);
    inventory.files += 1;
    if (file.modifiedAt > now - ORPHAN_AGE_MS) continue;
    batch.push(file);
    if (batch.length < BATCH) continue;
    await classify(batch);
    batch = [];
  }
  if (batch.length > 0) await classify(batch);

  if (candidates.length > ALWAYS_REMOVABLE_ORPHANS && candidates.length > owned) {
    log.error(
      { strangers: candidates.length, owned },
      'most files in MEDIA_DIR belong to no image on record, so they are kept: is DATABASE_URL right, is MEDIA_DIR?',
    );
    return 0;
  }
  let count = 0;
  for (let from = 0; from < candidates.length; from += BATCH) {
    const files = candidates.slice(from, from + BATCH);
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
