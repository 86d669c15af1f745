import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/**
 * Writes the write-ahead log of the database at `path` into it, so that the one file holds everything. Call with the database's lock.
 * Best effort: a log stays beside a database that is damaged, or has no room to grow.
 */
export function checkpointDatabase(path: string): void {
  if (!existsSync(`${path}-wal`)) return;
  try {
    // SQLite removes the log when its last connection is closed after a whole checkpoint (https://sqlite.org/wal.html).
    const database = new DatabaseSync(path);
    try {
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } finally {
      database.close();
    }
  } catch {
    // Whatever it is, the caller keeps both files.
  }
}
