import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { hasChecksum, isGivenName, isOriginalName, mediaIdOf } from '../domain/file-names.ts';
import { isFinished } from '../domain/image.ts';
import type { MediaStore, StoredFile } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { createBloomFilter } from './bloom-filter.ts';
import { BATCH_SIZE, countImages, type Inventory, type Sweep } from './sweep.ts';

/** Removes orphans (files without a record) on a walk through the whole media store, which also yields its inventory. */
export type RemoveOrphans = (sweep: Sweep) => Promise<OrphanReport>;

interface OrphanReport {
  readonly orphansRemoved: number;
  /** Number of files whose names Easel cannot have given. They are left alone. */
  readonly foreignFiles: number;
  /** Bytes of the files that belong to no image and stay: foreign ones, and orphans that are not removed yet. */
  readonly unownedBytes: number;
  readonly inventory: Inventory;
}

interface OrphanDeps {
  readonly records: Pick<RecordStore, 'get' | 'identity' | 'ownedNames' | 'countByStatus'>;
  readonly store: Pick<MediaStore, 'list' | 'mark' | 'remove'>;
  readonly log: Logger;
}

/**
 * Files younger than this are never orphans: the record of a new file, inputs too, is written after it, within a minute. A file has its age
 * by the clock of the store, a sweep begins by that of this process: they may differ by 59 minutes before a file is taken too early.
 */
const ORPHAN_AGE_MS = 60 * 60 * 1000;
/** Originals younger than this are never removed as orphans: each was paid for, and the database may come back from a backup. */
const ORPHAN_ORIGINAL_AGE_MS = 30 * 24 * 60 * 60 * 1000;
/** Up to this many orphans are removed without comparing them with the number of known files. */
const ALWAYS_REMOVABLE_ORPHANS = 10;
/** Orphans removed in one run at most. */
const MAX_ORPHANS_PER_RUN = 10_000;
/** Files of a typical image: its original, its master, its thumbnail, and two renditions. */
const FILES_PER_IMAGE = 5;
/** Foreign files that a line of the log names. */
const MAX_NAMED_FILES = 10;

/**
 * Removes the files without a record, unless they are most of the files that were compared: then the database is probably not
 * the one that belongs to the store, and nothing is removed. Nor is anything where another database has taken the store over since
 * the start, from another machine.
 */
export function createOrphanRemoval({ records, store, log }: OrphanDeps): RemoveOrphans {
  let foreignBefore = 0;

  async function isTakenOver(): Promise<boolean> {
    const mark = await store.mark();
    return mark !== null && mark !== (await records.identity());
  }

  async function unowned(files: readonly StoredFile[]): Promise<readonly StoredFile[]> {
    const owned = await records.ownedNames(files.map(({ name }) => name));
    const unknown = files.filter(({ name }) => !owned.has(name));
    if (!unknown.some(({ name }) => hasChecksum(name))) return unknown;
    const orphans: StoredFile[] = [];
    for (const file of unknown) if (!(await mayBePublished(file))) orphans.push(file);
    return orphans;
  }

  /**
   * Whether the image of this file is at work and may publish just this content again, as a repair does: the record has a name with a
   * checksum only once its file is published. One that is published and swept in the same moment is missing, and the next cleanup repairs
   * that.
   */
  async function mayBePublished({ name }: StoredFile): Promise<boolean> {
    const mediaId = hasChecksum(name) ? mediaIdOf(name) : null;
    if (mediaId === null) return false;
    const image = await records.get(mediaId);
    return image !== null && (!isFinished(image.status) || image.pending.length > 0);
  }

  function logForeign(count: number, names: readonly string[]): void {
    if (count > foreignBefore) {
      log.warn(
        { files: count, names },
        'files in the media store have names that Easel does not give; they are left alone',
      );
    }
    foreignBefore = count;
  }

  /** Walks the store: all files enter the inventory, those old enough are compared with the records. */
  async function walk({ startedAt: now, passOver }: Sweep) {
    const found = createBloomFilter(FILES_PER_IMAGE * (await countImages(records)));
    const candidates: StoredFile[] = [];
    const foreignNames: string[] = [];
    let foreignFiles = 0;
    let owned = 0;
    let unownedBytes = 0;
    let total = 0;
    const classify = async (batch: readonly StoredFile[]) => {
      const unknown = await unowned(batch);
      owned += batch.length - unknown.length;
      unownedBytes += sizeOf(unknown);
      const orphans = unknown.filter(
        ({ name, modifiedAt }) => !isOriginalName(name) || modifiedAt <= now - ORPHAN_ORIGINAL_AGE_MS,
      );
      candidates.push(...orphans.slice(0, Math.max(0, MAX_ORPHANS_PER_RUN - candidates.length)));
      await nextTurn();
    };
    let batch: StoredFile[] = [];
    for await (const file of store.list(passOver)) {
      if (!isGivenName(file.name)) {
        foreignFiles += 1;
        unownedBytes += file.bytes;
        if (foreignFiles <= MAX_NAMED_FILES) foreignNames.push(file.name);
        continue;
      }
      found.add(keyOf(file));
      total += 1;
      if (file.modifiedAt > now - ORPHAN_AGE_MS) continue;
      batch.push(file);
      if (batch.length < BATCH_SIZE) continue;
      await classify(batch);
      batch = [];
    }
    if (batch.length > 0) await classify(batch);
    logForeign(foreignFiles, foreignNames);
    const inventory: Inventory = { mayHold: (file) => found.mayContain(keyOf(file)), files: total };
    return { candidates, owned, foreignFiles, unownedBytes, inventory };
  }

  /** Removes the files, and returns those that are gone. */
  async function removeFiles(files: readonly StoredFile[], { passOver }: Sweep): Promise<readonly StoredFile[]> {
    try {
      await store.remove(files.map(({ name }) => name));
      // The store leaves an input that a new record names by now.
      return await unowned(files);
    } catch {
      // One of them cannot be removed: one by one it shows which.
      const gone: StoredFile[] = [];
      for (const file of files) {
        await store.remove([file.name]).then(
          () => gone.push(file),
          (error: unknown) => passOver(file.name, error),
        );
      }
      return gone;
    }
  }

  async function remove(candidates: readonly StoredFile[], sweep: Sweep): Promise<{ count: number; bytes: number }> {
    let count = 0;
    let bytes = 0;
    for (let from = 0; from < candidates.length; from += BATCH_SIZE) {
      // Compared again, since the walk may have taken long and an image may own the name by now.
      const orphans = await unowned(candidates.slice(from, from + BATCH_SIZE));
      const removed = orphans.length === 0 || sweep.dryRun ? orphans : await removeFiles(orphans, sweep);
      count += removed.length;
      bytes += sizeOf(removed);
      await nextTurn();
    }
    return { count, bytes };
  }

  return async (sweep) => {
    const { candidates, owned, ...found } = await walk(sweep);
    if (sweep.keepsOrphans) return { orphansRemoved: 0, ...found };
    if (candidates.length > ALWAYS_REMOVABLE_ORPHANS && candidates.length > owned) {
      log.error(
        { orphans: candidates.length, owned },
        'most files in the media store belong to no image on record, so none is removed: is DATABASE_URL right, is MEDIA_DIR or S3_BUCKET?',
      );
      return { orphansRemoved: 0, ...found };
    }
    if (candidates.length > 0 && (await isTakenOver())) {
      log.error(
        { orphans: candidates.length },
        'the media store bears the mark of another database now, so no file is removed',
      );
      return { orphansRemoved: 0, ...found };
    }
    const { count, bytes } = await remove(candidates, sweep);
    sweep.freedBytes += bytes;
    return { orphansRemoved: count, ...found, unownedBytes: found.unownedBytes - bytes };
  };
}

function sizeOf(files: readonly StoredFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** A file in the inventory: its size shows one that was cut off. No name holds a NUL. */
function keyOf({ name, bytes }: { readonly name: string; readonly bytes: number }): string {
  return `${name}\0${bytes}`;
}
