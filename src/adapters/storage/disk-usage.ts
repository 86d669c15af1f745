import type { Stats } from 'node:fs';
import type { FileSystem } from './file-system.ts';

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
