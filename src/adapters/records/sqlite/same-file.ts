import { statSync } from 'node:fs';
import { unavailable } from './errors.ts';

/**
 * Watches that an open database stays the one at its path. SQLite would keep writing to files that are unlinked or renamed, and the
 * next start would find none of it. Returns the function that raises `storage_unavailable` while one of `paths`, the database and its
 * write-ahead log, leads to another file than now, or to none; it takes microseconds. Call it while the database is open in WAL mode,
 * which keeps both files in place.
 */
export function watchFiles(...paths: readonly string[]): () => void {
  const files = paths.map((file) => ({ file, opened: identityOf(file) }));
  return () => {
    for (const { file, opened } of files) {
      if (identityOf(file) === opened) continue;
      throw unavailable(
        `the database file ${file} was removed, moved or replaced while it was in use; put it back, or restart Easel`,
      );
    }
  };
}

/** Device and inode, which nothing else has while the file is open; null where there is no such file. */
function identityOf(file: string): string | null {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stats ? `${stats.dev} ${stats.ino}` : null;
}
