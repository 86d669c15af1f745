import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { MediaStore, StoredFile } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { createBloomFilter } from './bloom-filter.ts';
import { BATCH_SIZE, countImages, type Inventory, type Sweep } from './sweep.ts';

/** Removes orphans (files without a record) on a walk through the whole media store, which also yields its inventory. */
export type RemoveOrphans = (
  sweep: Sweep,
) => Promise<{ readonly orphansRemoved: number; readonly inventory: Inventory }>;

interface OrphanDeps {
  readonly records: Pick<RecordStore, 'ownedNames' | 'countByStatus'>;
  readonly store: Pick<MediaStore, 'list' | 'remove'>;
  readonly log: Logger;
}

/** Files younger than this are never orphans: the record of a new file is written after it. */
const ORPHAN_AGE_MS = 60 * 60 * 1000;
/** Up to this many orphans are removed without comparing them with the number of known files. */
const ALWAYS_REMOVABLE_ORPHANS = 10;
/** Orphans removed in one run at most. */
const MAX_ORPHANS_PER_RUN = 10_000;
/** Files of a typical image: its original, its master, and two renditions. */
const FILES_PER_IMAGE = 4;

/**
 * Removes the files without a record, unless they are most of the files that were compared: then the database is probably not
 * the one that belongs to the store, and nothing is removed.
 */
export function createOrphanRemoval({ records, store, log }: OrphanDeps): RemoveOrphans {
  async function unowned(files: readonly StoredFile[]): Promise<readonly StoredFile[]> {
    const owned = await records.ownedNames(files.map(({ name }) => name));
    return files.filter(({ name }) => !owned.has(name));
  }

  /** Walks the store: all files enter the inventory, those old enough are compared with the records. */
  async function walk(now: number) {
    const names = createBloomFilter(FILES_PER_IMAGE * (await countImages(records)));
    const candidates: StoredFile[] = [];
    let owned = 0;
    let total = 0;
    const classify = async (batch: readonly StoredFile[]) => {
      const unknown = await unowned(batch);
      owned += batch.length - unknown.length;
      candidates.push(...unknown.slice(0, Math.max(0, MAX_ORPHANS_PER_RUN - candidates.length)));
      await nextTurn();
    };
    let batch: StoredFile[] = [];
    for await (const file of store.list()) {
      names.add(file.name);
      total += 1;
      if (file.modifiedAt > now - ORPHAN_AGE_MS) continue;
      batch.push(file);
      if (batch.length < BATCH_SIZE) continue;
      await classify(batch);
      batch = [];
    }
    if (batch.length > 0) await classify(batch);
    return { candidates, owned, inventory: { names, files: total } };
  }

  async function remove(candidates: readonly StoredFile[], sweep: Sweep): Promise<number> {
    let count = 0;
    for (let from = 0; from < candidates.length; from += BATCH_SIZE) {
      // Compared again, since the walk may have taken long and an image may own the name by now.
      const orphans = await unowned(candidates.slice(from, from + BATCH_SIZE));
      if (orphans.length > 0 && !sweep.dryRun) await store.remove(orphans.map(({ name }) => name));
      count += orphans.length;
      sweep.freedBytes += orphans.reduce((sum, file) => sum + file.bytes, 0);
      await nextTurn();
    }
    return count;
  }

  return async (sweep) => {
    const { candidates, owned, inventory } = await walk(sweep.startedAt);
    if (candidates.length > ALWAYS_REMOVABLE_ORPHANS && candidates.length > owned) {
      log.error(
        { orphans: candidates.length, owned },
        'most files in MEDIA_DIR belong to no image on record, so none is removed: is DATABASE_URL right, is MEDIA_DIR?',
      );
      return { orphansRemoved: 0, inventory };
    }
    return { orphansRemoved: await remove(candidates, sweep), inventory };
  };
}
