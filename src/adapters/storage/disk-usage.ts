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
 * What one name of a file takes: its bytes are shared among its hard links, so that the sum over all names counts each file once. Older
 * versions published an original that is also the master as a link, and so do backups that save room.
 */
export function shareOf({ size, nlink }: { readonly size: number; readonly nlink: number }): number {
  return size / Math.max(1, nlink);
}

/** What the removal of one name frees, or its replacement: nothing while the file has another name. 0 where that cannot be found out. */
export async function freedWith(fs: Pick<FileSystem, 'lstat'>, path: string): Promise<number> {
  const stats = await fs.lstat(path).catch(() => null);
  return stats?.isFile() && stats.nlink === 1 ? stats.size : 0;
}

/** What the removal of all these names together frees. Names that are missing, or cannot be looked at, free nothing. */
export async function freedWithAll(fs: Pick<FileSystem, 'lstat'>, paths: Iterable<string>): Promise<number> {
  const files = new Map<string, { size: number; linksLeft: number }>();
  for (const path of new Set(paths)) {
    const stats = await fs.lstat(path).catch(() => null);
    if (!stats?.isFile()) continue;
    const key = `${stats.dev}:${stats.ino}`;
    const file = files.get(key) ?? { size: stats.size, linksLeft: stats.nlink };
    file.linksLeft -= 1;
    files.set(key, file);
  }
  return [...files.values()].reduce((sum, { size, linksLeft }) => sum + (linksLeft <= 0 ? size : 0), 0);
}
