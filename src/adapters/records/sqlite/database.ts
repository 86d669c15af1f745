import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { asImageError, isBusy, unavailable } from './errors.ts';
import { type DatabaseLock, lockDatabase } from './lock.ts';
import { migrate, SCHEMA_VERSION, schemaVersion } from './migrations.ts';
import { watchFiles } from './same-file.ts';

/** An open database file, of which this process is the only user. */
export interface SqliteDatabase {
  /** The prepared statement for an SQL text, from a cache. */
  sql(text: string): StatementSync;
  /**
   * Runs `work` in a transaction and returns its result; rolls back and rethrows when it raises. Raises `ImageError`, and writes nothing,
   * while the file at the path is not the one that was opened.
   */
  inTransaction<T>(work: () => T): T;
  /** Runs `work` in a transaction that is rolled back, so that nothing of it reaches the disk. */
  rehearse(work: () => void): void;
  /**
   * Runs `work` now, and again while another program's lock is in the way, for `waitMs` milliseconds at most (`busyTimeoutMs` by default);
   * the process goes on meanwhile. Resolves to its result, or rejects with the `ImageError` that the port promises.
   */
  answer<T>(work: () => T, waitMs?: number): Promise<T>;
  /** Writes and reads a value. Raises `ImageError` when that fails. */
  check(): void;
  /** Closes the file and releases its lock. May be called more than once. */
  close(): void;
}

/** Pauses between looks at whether another program's lock is gone, in milliseconds. */
const MIN_PAUSE_MS = 5;
const MAX_PAUSE_MS = 100;
/** The write-ahead log is cut to this size when its content has reached the database. Checkpoints keep it at some 4 MiB. */
const MAX_IDLE_WAL_BYTES = 4 * 1024 * 1024;

/**
 * Locks and opens the database file, and migrates it to the current schema. The file and its folder are made when they are missing.
 * `busyTimeoutMs` is how long work waits for another program's lock; `onMigrated` is called with the version of an older schema.
 * Raises `DatabaseInUseError` when another Easel process has the file, and `ImageError` when it cannot be made or read, or has a newer
 * schema.
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
  const assertSameFiles = watchFiles(configuredPath, `${path}-wal`);
  const statements = new Map<string, StatementSync>();

  const sql = (text: string): StatementSync => {
    const prepared = statements.get(text);
    if (prepared) return prepared;
    const statement = database.prepare(text);
    statements.set(text, statement);
    return statement;
  };

  return {
    sql,

    inTransaction: (work) =>
      inTransaction(database, () => {
        const result = work();
        assertSameFiles();
        return result;
      }),

    rehearse(work) {
      database.exec('BEGIN IMMEDIATE');
      try {
        work();
      } finally {
        if (database.isTransaction) database.exec('ROLLBACK');
      }
    },

    async answer(work, waitMs = busyTimeoutMs) {
      const until = performance.now() + waitMs;
      for (let pauseMs = MIN_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
        try {
          return work();
        } catch (error) {
          if (!isBusy(error) || performance.now() + pauseMs > until) throw asImageError(error, path);
        }
        await delay(pauseMs);
      }
    },

    check() {
      assertSameFiles();
      const written = sql(`
        INSERT INTO probe (id, count) VALUES (1, 1)
        ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count`).get();
      const read = sql('SELECT count FROM probe').get();
      if (written?.count !== read?.count) throw unavailable(`the database ${path} does not keep what is written`);
    },

    close() {
      try {
        if (database.isOpen) database.close();
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

function connect(path: string, busyTimeoutMs: number, onMigrated: (from: number) => void): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: false });
  try {
    // fullfsync: on macOS a plain fsync leaves the bytes in the drive's cache. It has no effect elsewhere.
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA journal_size_limit = ${MAX_IDLE_WAL_BYTES};
      PRAGMA synchronous = FULL;
      PRAGMA fullfsync = ON;
      PRAGMA checkpoint_fullfsync = ON`);
    const version = schemaVersion(database);
    if (version > SCHEMA_VERSION) {
      throw unavailable(
        `the database ${path} has schema ${version} and this Easel knows up to ${SCHEMA_VERSION}: run the newer Easel that wrote it`,
      );
    }
    if (version < SCHEMA_VERSION) inTransaction(database, () => migrate(database));
    if (version > 0 && version < SCHEMA_VERSION) onMigrated(version);
    // From now on `answer` waits for locks: SQLite would hold up the whole process.
    database.exec('PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 0');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite rolls back by itself after some errors, such as a full disk.
    if (database.isTransaction) database.exec('ROLLBACK');
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
