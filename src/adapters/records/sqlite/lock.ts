import { hostname } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { DatabaseInUseError } from '../../../core/domain/errors.ts';

export interface DatabaseLock {
  /** Lets the next one in. May be called again. */
  release(): void;
}

/**
 * Keeps every other process off the database at `path` until `release` or the end of this process, however it ends.
 * Raises `DatabaseInUseError` when it is taken, and SQLite's own error when the lock cannot be had for another reason.
 *
 * The lock is the write lock of a second, tiny database, `<path>.lock`: the operating system drops it with the process, SIGKILL
 * included, which a file holding a process id cannot promise. The main file stays free for readers and backup tools, and
 * the holder's name can be read from the small one. Nothing else in the process may open `<path>.lock`: on POSIX systems closing any
 * descriptor of a file drops the process's locks on it (https://sqlite.org/howtocorrupt.html, section 2.2).
 */
export function lockDatabase(path: string): DatabaseLock {
  const database = new DatabaseSync(`${path}.lock`, { timeout: 200 });
  try {
    database.exec('BEGIN IMMEDIATE');
    database.exec('CREATE TABLE IF NOT EXISTS holder (id INTEGER PRIMARY KEY, pid INTEGER, host TEXT) STRICT');
    database.prepare('REPLACE INTO holder VALUES (1, ?, ?)').run(process.pid, hostname());
    // The name has to be committed to be readable. Between the two transactions another process may win; then it is the holder.
    database.exec('COMMIT; BEGIN IMMEDIATE');
  } catch (cause) {
    const holder = isBusy(cause) ? holderOf(database) : null;
    database.close();
    throw holder === null ? cause : new DatabaseInUseError(path, holder, { cause });
  }
  return {
    release() {
      if (database.isOpen) database.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  const SQLITE_BUSY = 5;
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY;
}

function holderOf(database: DatabaseSync): string {
  try {
    const row = database.prepare('SELECT pid, host FROM holder').get();
    return row ? `pid ${row.pid} on ${row.host}` : 'just starting';
  } catch {
    return 'pid unknown';
  }
}
