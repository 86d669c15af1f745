import type { Stats } from 'node:fs';
import type { FileSystem } from './file-system.ts';

/** The bytes that the files of a store take on disk: those of the latest whole walk, and the changes since. */
export interface DiskUsage {
  /** What a whole walk has found. */
  set(bytes: number): void;
  /** A change that this process made; negative for bytes that were freed. */
  add(bytes: number): void;
  /** The bytes now. Walks through the store where the latest walk is too long ago. */
  bytes(): Promise<number>;
}

/** A walk is repeated when a hundred times its duration has passed, so that walks take a percent of the time at most. */
const REST = 100;
/** A walk that took longer than this, in milliseconds, is repeated in the background. */
const SHORT_WALK_MS = 500;

/** `walk` looks at every file and ends with a call of `set`. */
export function createDiskUsage(walk: () => Promise<void>): DiskUsage {
  let measured: number | null = null;
  let measuredAt = Number.NEGATIVE_INFINITY;
  let walkMs = 0;
  let walking: Promise<void> | null = null;

  async function measure(): Promise<void> {
    const began = performance.now();
    try {
      await walk();
    } finally {
      walkMs = performance.now() - began;
      measuredAt = performance.now();
      walking = null;
    }
  }

  return {
    set(bytes) {
      measured = bytes;
    },
    add(bytes) {
      if (measured !== null) measured += bytes;
    },
    async bytes() {
      if (performance.now() - measuredAt > REST * walkMs) walking ??= measure();
      if (measured === null || walkMs < SHORT_WALK_MS) await walking;
      else walking?.catch(() => undefined);
      return Math.round(measured ?? 0);
    },
  };
}

/**
 * A count of files that takes the bytes of hard links once, whatever links there are elsewhere, such as in a backup. Older versions
 * published an original that is also the master as a link.
 */
export function createFileCount(): { add(stats: Stats): void; readonly bytes: number } {
  const linked = new Set<string>();
  let bytes = 0;
  return {
    add({ dev, ino, nlink, size }) {
      const key = `${dev}:${ino}`;
      if (nlink > 1 && linked.has(key)) return;
      if (nlink > 1) linked.add(key);
      bytes += size;
    },
    get bytes() {
      return bytes;
    },
  };
}

/**
 * What the removal of one name frees, or its replacement: nothing while the file has another name, which the next walk sets right where
 * that is elsewhere. 0 where it cannot be found out.
 */
export async function freedWith(fs: Pick<FileSystem, 'lstat'>, path: string): Promise<number> {
  const stats = await fs.lstat(path).catch(() => null);
  return stats?.isFile() && stats.nlink === 1 ? stats.size : 0;
}

/** What the removal of all these names together frees. Names that are missing, or cannot be looked at, free nothing. */
export async function freedWithAll(fs: Pick<FileSystem, 'lstat'>, paths: Iterable<string>): Promise<number> {
  const count = createFileCount();
  for (const path of new Set(paths)) {
    const stats = await fs.lstat(path).catch(() => null);
    if (stats?.isFile()) count.add(stats);
  }
  return count.bytes;
}
