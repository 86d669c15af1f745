import { isInputName, sha256 } from '../../core/domain/file-names.ts';
import type { Image } from '../../core/domain/image.ts';
import type { MediaStore } from '../../core/ports/media-store.ts';
import { filesOf, type NamedFile } from '../backup/image-files.ts';

/** What was done with the files so far. */
export interface FileCounts {
  /** Files that are in the target as they are in the source, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** How many of them were copied now. */
  readonly copied: number;
  /** Files that the records name and that the target does not have as they should be, in words. */
  readonly faults: readonly string[];
}

export interface FileMover {
  /** Copies those files of the images that the target lacks, and reads all of them back. */
  copyFilesOf(images: readonly Image[]): Promise<void>;
  counts(): FileCounts;
}

/** Files in hand at a time. Each is in memory twice. */
const FILES_AT_A_TIME = 8;

/**
 * Copies files from one media store to another, which may be the same: then they are only verified. A file whose record has a hash has to
 * have it; any other may be missing. What is in the target is read, so that a file counts once it was seen there whole.
 */
export function createFileMover(source: MediaStore, target: MediaStore): FileMover {
  /** Inputs, which images share, and what was found out about them. */
  const known = new Set<string>();
  let files = 0;
  let bytes = 0;
  let copied = 0;
  const faults: string[] = [];

  async function move({ name, sha256: expected }: NamedFile): Promise<void> {
    const original = await source.read(name);
    if (original === null) {
      if (expected !== undefined) faults.push(`${source.pathOf(name)} is missing`);
      return;
    }
    const hash = sha256(original);
    if (expected !== undefined && hash !== expected) {
      faults.push(`${source.pathOf(name)} has the SHA-256 ${hash} and its record says ${expected}`);
      return;
    }
    if (!(await has(name, hash))) {
      await target.put(name, original);
      if (!(await has(name, hash))) {
        faults.push(`${target.pathOf(name)} is not what was written there: it has another SHA-256 than ${hash}`);
        return;
      }
      copied += 1;
    }
    files += 1;
    bytes += original.length;
  }

  async function has(name: string, hash: string): Promise<boolean> {
    const present = await target.read(name);
    return present !== null && sha256(present) === hash;
  }

  return {
    async copyFilesOf(images) {
      const named = images.flatMap(filesOf).filter(({ name }) => !known.has(name));
      const distinct = [...new Map(named.map((file) => [file.name, file])).values()];
      const waiting = distinct.values();
      const workers = Array.from({ length: FILES_AT_A_TIME }, async () => {
        for (const file of waiting) await move(file);
      });
      await Promise.all(workers);
      for (const { name } of distinct) if (isInputName(name)) known.add(name);
    },
    counts: () => ({ files, bytes, copied, faults }),
  };
}
