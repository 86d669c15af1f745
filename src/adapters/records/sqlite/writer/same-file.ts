import { statSync } from 'node:fs';
import type { WatchedFile } from './write.ts';

/** The code of the error for a file that is no longer the one that was opened. */
export const FILE_REPLACED = 'ERR_EASEL_FILE_REPLACED';

/**
 * What `assertSameFiles` compares with. Call it while the database is open in WAL mode, which keeps the database and its write-ahead log
 * in place.
 */
export function watchFiles(...paths: readonly string[]): readonly WatchedFile[] {
  return paths.map((file) => ({ file, identity: identityOf(file) }));
}

/**
 * Raises an error with the code `FILE_REPLACED` while one of these paths leads to another file than then, or to none; it takes
 * microseconds. SQLite would keep writing to files that are unlinked or renamed, and the next start would find none of it.
 */
export function assertSameFiles(files: readonly WatchedFile[]): void {
  for (const { file, identity } of files) {
    if (identityOf(file) === identity) continue;
    const message = `the database file ${file} was removed, moved or replaced while it was in use; put it back, or restart Easel`;
    throw Object.assign(new Error(message), { code: FILE_REPLACED });
  }
}

/** Device and inode, which nothing else has while the file is open; null where there is no such file. */
function identityOf(file: string): string | null {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stats ? `${stats.dev} ${stats.ino}` : null;
}
