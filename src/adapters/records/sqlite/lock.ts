import { hostname } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { DatabaseInUseError } from '../../../core/domain/errors.ts';
import { asImageError, isBusy } from './errors.ts';

/** The right to use a database, held by one process at a time. */
export interface DatabaseLock {
  /** Releases the lock. May be called more than once. */
  release(): void;
}

/**
 * Takes the exclusive lock on the database at `path`, held until `release` or the end of this process, however it ends.
 * Raises `DatabaseInUseError` when another process holds it, and `ImageError` when locking fails for another reason,
 * such as a read-only disk.
 *
 * The lock is the write lock of a second, tiny database, `<path>.lock`. The operating system releases it with the process, even after
 * SIGKILL, which a file with a process id cannot promise. The main database stays open to readers and backup tools, and the small one
 * says who holds the lock. Nothing else in this process may open `<path>.lock`: on POSIX systems closing any descriptor of a file
 * releases the process's locks on it (https://sqlite.org/howtocorrupt.html, section 2.2).
 */
export function lockDatabase(path: string): DatabaseLock {
  try {
    return takeLock(path);
  } catch (error) {
    throw asImageError(error, `${path}.lock`);
  }
}

function takeLock(path: string): DatabaseLock {
  const database = new DatabaseSync(`${path}.lock`, { timeout: 200 });
  try {
    database.exec('BEGIN IMMEDIATE');
    database.exec('CREATE TABLE IF NOT EXISTS holder (id INTEGER PRIMARY KEY, pid INTEGER, host TEXT) STRICT');
    database.prepare('REPLACE INTO holder VALUES (1, ?, ?)').run(process.pid, hostname());
    // The holder's row must be committed to be readable. Between the two transactions another process may take the lock instead.
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

/** The process that holds the lock, for the error's text. */
function holderOf(database: DatabaseSync): string {
  try {
    const row = database.prepare('SELECT pid, host FROM holder').get();
    return row ? `pid ${row.pid} on ${row.host}` : 'just starting';
  } catch {
    return 'pid unknown';
  }
}
