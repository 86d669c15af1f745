import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { StorageSetupError } from '../../../core/domain/errors.ts';
import { asImageError, isBusy } from './errors.ts';
import { type DatabaseLock, lockDatabase } from './lock.ts';
import { migrate, SCHEMA_VERSION, schemaVersion } from './schema/migrations.ts';
import { cacheStatements, connectDurably, inTransaction } from './writer/connection.ts';
import { watchFiles } from './writer/same-file.ts';
import type { Outcome, Step } from './writer/write.ts';
import { createWriter } from './writer/writer.ts';

/** An open database file, of which this process is the only user. */
export interface SqliteDatabase {
  /**
   * The prepared statement for an SQL text, from a cache. Its connection reads only, and sees a write once that is durable: SQLite shows
   * a commit to others after it has synced the write-ahead log (https://sqlite.org/wal.html).
   */
  sql(text: string): StatementSync;
  /**
   * Runs the statements in one transaction, on the thread that writes. Resolves once they are durable, or the write was stopped; rejects
   * with the `ImageError` that the port promises, and has written nothing, where it fails. While the file at the path is not the one
   * that was opened, every write fails. `waitMs` is how long it waits for another program's lock (`busyTimeoutMs` by default).
   */
  write(steps: readonly Step[], waitMs?: number): Promise<Outcome>;
  /**
   * Runs a read now, and again while another program's lock is in the way, for `waitMs` milliseconds at most (`busyTimeoutMs` by default);
   * the process goes on meanwhile. Resolves to its result, or rejects with the `ImageError` that the port promises.
   */
  answer<T>(read: () => T, waitMs?: number): Promise<T>;
  /** Ends reading at once; when every write has ended, closes the file and releases its lock. May be called more than once. */
  close(): Promise<void>;
}

/** Pauses between looks at whether another program's lock is gone, in milliseconds. */
const MIN_PAUSE_MS = 5;
const MAX_PAUSE_MS = 100;
/**
 * Locks and opens the database file, and migrates it to the current schema. The file and its folder are made when they are missing.
 * `busyTimeoutMs` is how long work waits for another program's lock; `onMigrated` is called with the version of an older schema.
 * Raises `DatabaseInUseError` when another Easel process has the file, `StorageSetupError` when a newer Easel has changed its schema, and
 * `ImageError` when it cannot be made or read.
 */
export function openDatabase(
  path: string,
  busyTimeoutMs: number,
  onMigrated: (from: number) => void = () => undefined,
): SqliteDatabase {
  try {
    makeFolder(dirname(resolve(path)));
    const file = existsSync(path) ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path));
    const lock = lockDatabase(file);
    try {
      keepPrivate(file);
      const database = connect(file, busyTimeoutMs, onMigrated);
      return openFile({ path: file, configuredPath: resolve(path), busyTimeoutMs }, database, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    throw asImageError(error, path);
  }
}

interface OpenedFile {
  /** Where the configured path, perhaps a link, leads. */
  readonly path: string;
  readonly configuredPath: string;
  readonly busyTimeoutMs: number;
}

function openFile(
  { path, configuredPath, busyTimeoutMs }: OpenedFile,
  database: DatabaseSync,
  lock: DatabaseLock,
): SqliteDatabase {
  const writer = createWriter({ path, files: watchFiles(configuredPath, `${path}-wal`) });

  return {
    sql: cacheStatements(database),

    async write(steps, waitMs = busyTimeoutMs) {
      try {
        return await writer.write({ steps, waitMs });
      } catch (error) {
        throw asImageError(error, path);
      }
    },

    async answer(read, waitMs = busyTimeoutMs) {
      const until = performance.now() + waitMs;
      for (let pauseMs = MIN_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
        try {
          return read();
        } catch (error) {
          if (!isBusy(error) || performance.now() + pauseMs > until) throw asImageError(error, path);
        }
        await delay(pauseMs);
      }
    },

    async close() {
      try {
        // The last connection writes the log into the database, and a slow disk is to hold up the thread alone.
        if (database.isOpen) database.close();
        await writer.close();
      } finally {
        lock.release();
      }
    },
  };
}

/**
 * Makes a new database with mode 0600, like the secrets beside it, and takes the rights of others from one that an older Easel made: it
 * holds prompts and webhook URLs. SQLite gives its other two files the mode of the database. A file of another user keeps its mode.
 */
function keepPrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
  for (const end of ['', '-wal', '-shm']) {
    const mode = statSync(path + end, { throwIfNoEntry: false })?.mode ?? 0;
    if ((mode & 0o077) === 0) continue;
    try {
      chmodSync(path + end, mode & 0o700);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    }
  }
}

/** Opens the file for reading, once it has the current schema. */
function connect(path: string, busyTimeoutMs: number, onMigrated: (from: number) => void): DatabaseSync {
  const database = connectDurably(path, busyTimeoutMs);
  try {
    const version = schemaVersion(database);
    if (version > SCHEMA_VERSION) {
      throw new StorageSetupError(
        `DATABASE_URL: ${path} has schema ${version} of a newer Easel, and this one knows up to ${SCHEMA_VERSION}; run the newer one`,
      );
    }
    if (version < SCHEMA_VERSION) inTransaction(database, () => migrate(database));
    if (version > 0 && version < SCHEMA_VERSION) onMigrated(version);
    // From now on `answer` waits for locks: SQLite would hold up the whole process.
    database.exec('PRAGMA query_only = ON; PRAGMA busy_timeout = 0');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Makes the folder and missing ones above it, and syncs each parent: a power cut must not take a new folder away with the database. */
function makeFolder(folder: string): void {
  // One at a time: Node's recursive mkdir never ends where a file system such as /proc takes no new folders.
  const missing: string[] = [];
  for (let path = folder; !existsSync(path); path = dirname(path)) missing.unshift(path);
  for (const path of missing) {
    mkdirSync(path);
    const descriptor = openSync(dirname(path), 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}
