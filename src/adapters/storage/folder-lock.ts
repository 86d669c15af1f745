import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MediaInUseError } from '../../core/domain/errors.ts';

/**
 * Locks a folder for one process at a time, until the returned function is called or the process ends, however it ends.
 * Raises `MediaInUseError` when another process has it, and another error when it cannot be locked, as on a read-only disk or on a
 * network file system without locks.
 *
 * The lock is the read lock of a tiny database in the folder, `.easel.lock`; the operating system releases it with the process. A write
 * lock would need a descriptor that is open for writing, which keeps the disk from being remounted read-only. So a process first writes
 * its token under the exclusive lock, which it gets only while no process reads, then opens the file to read and holds that. Two that
 * start at once may both have written: the one that finds the other's token has lost. While a process reads, none can write.
 *
 * Nothing else in this process may open the file: closing any descriptor of it releases the process's locks
 * (https://sqlite.org/howtocorrupt.html, section 2.2).
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, '.easel.lock');
  const token = randomUUID();
  try {
    writeToken(path, folder, token);
  } catch (error) {
    if (!isDamaged(error)) throw withoutLocks(error, folder);
    // It holds nothing of value.
    rmSync(path, { force: true });
    writeToken(path, folder, token);
  }
  const reader = new DatabaseSync(path, { readOnly: true, timeout: TIMEOUT_MS });
  try {
    // A transaction takes its read lock with the first row that it reads.
    reader.exec('BEGIN');
    const row = reader.prepare('SELECT token, pid, host FROM holder').get();
    if (row?.token !== token) throw new MediaInUseError(folder, `pid ${row?.pid} on ${row?.host}`);
  } catch (error) {
    reader.close();
    throw isBusy(error) ? new MediaInUseError(folder, 'just starting', { cause: error }) : error;
  }
  return () => {
    if (reader.isOpen) reader.close();
  };
}

/** How long to wait for a process that writes its token. One that reads holds its lock for as long as it lives. */
const TIMEOUT_MS = 200;

function writeToken(path: string, folder: string, token: string): void {
  const writer = new DatabaseSync(path, { timeout: TIMEOUT_MS });
  try {
    writer.exec('BEGIN EXCLUSIVE');
    writer.exec(
      'CREATE TABLE IF NOT EXISTS holder (id INTEGER PRIMARY KEY, token TEXT, pid INTEGER, host TEXT) STRICT',
    );
    writer.prepare('REPLACE INTO holder VALUES (1, ?, ?, ?)').run(token, process.pid, hostname());
    writer.exec('COMMIT');
  } catch (error) {
    throw isBusy(error) ? new MediaInUseError(folder, holderOf(writer), { cause: error }) : error;
  } finally {
    writer.close();
  }
}

/** The process that holds the lock, for the error's text. */
function holderOf(database: DatabaseSync): string {
  try {
    const row = database.prepare('SELECT pid, host FROM holder').get();
    return row ? `pid ${row.pid} on ${row.host}` : 'just starting';
  } catch {
    return 'just starting';
  }
}

/**
 * A file system that gives no locks at all looks like one whose lock is held (SQLite maps ENOLCK to BUSY). A file of its own, which no
 * other process knows, shows which it is; then an error that is no `MediaInUseError` takes the place of `error`.
 */
function withoutLocks(error: unknown, folder: string): unknown {
  if (!(error instanceof MediaInUseError)) return error;
  const path = join(folder, `.easel.lock-${randomUUID()}`);
  try {
    writeToken(path, folder, 'probe');
    return error;
  } catch (cause) {
    return cause instanceof MediaInUseError ? new Error('its file system gives no locks', { cause: error }) : error;
  } finally {
    for (const end of ['', '-journal']) rmSync(path + end, { force: true });
  }
}

/** Result codes of a file that is no database, or a damaged one. */
const DAMAGED: ReadonlySet<number> = new Set([11, 26]);

function isDamaged(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && DAMAGED.has(Number(error.errcode) & 0xff);
}

/** Result code of a lock that another connection holds (https://sqlite.org/rescode.html); the low byte of an extended code. */
const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY;
}
