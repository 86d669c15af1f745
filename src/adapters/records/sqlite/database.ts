import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { asImageError, unavailable } from './errors.ts';
import { type DatabaseLock, lockDatabase } from './lock.ts';
import { migrate, SCHEMA_VERSION, schemaVersion } from './migrations.ts';

/** The open database file of one process. */
export interface SqliteDatabase {
  /** The statement for an SQL text, prepared once. */
  sql(text: string): StatementSync;
  /** Commits what `work` has done and gives its result, or leaves the database as it was and raises what went wrong. */
  inTransaction<T>(work: () => T): T;
  /** Does `work` at once, and gives its result, or its fault as the port promises it, as a promise. */
  answer<T>(work: () => T): Promise<T>;
  /** Raises `ImageError` when the file was moved or replaced, or does not keep what is written. */
  check(): void;
  /** Closes the file and lets the next process in. May be called again. */
  close(): void;
}

/**
 * Opens the database file that no other Easel process may use meanwhile, and brings its schema up to date. The file and its folder
 * are made when they are missing. Raises `DatabaseInUseError` when another process uses it, and `ImageError` when it cannot be made,
 * read or understood.
 */
export function openDatabase(path: string, busyTimeoutMs: number): SqliteDatabase {
  try {
    makeFolder(dirname(resolve(path)));
    const file = existsSync(path) ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path));
    const lock = takeLock(file);
    try {
      return openFile(file, busyTimeoutMs, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    throw asImageError(error, path);
  }
}

function openFile(path: string, busyTimeoutMs: number, lock: DatabaseLock): SqliteDatabase {
  const database = connect(path, busyTimeoutMs);
  const { ino: inode } = statSync(path);
  const statements = new Map<string, StatementSync>();

  const sql = (text: string): StatementSync => {
    const known = statements.get(text);
    if (known) return known;
    const statement = database.prepare(text);
    statements.set(text, statement);
    return statement;
  };

  return {
    sql,

    inTransaction: (work) => inTransaction(database, work),

    async answer(work) {
      try {
        return work();
      } catch (error) {
        throw asImageError(error, path);
      }
    },

    check() {
      // SQLite would go on writing to a file that no longer has a name, and all of it would be lost at the next start.
      if (statSync(path, { throwIfNoEntry: false })?.ino !== inode) {
        throw unavailable(`the database ${path} was moved or replaced while it was in use; start Easel again`);
      }
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

function connect(path: string, busyTimeoutMs: number): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true });
  try {
    // fullfsync: on macOS a plain fsync leaves the bytes in the drive's cache. Elsewhere it changes nothing.
    database.exec(`
      PRAGMA journal_mode = WAL;
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
    // SQLite has rolled back by itself after some faults, a full disk among them.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function takeLock(path: string): DatabaseLock {
  try {
    return lockDatabase(path);
  } catch (error) {
    throw asImageError(error, `${path}.lock`);
  }
}

/** Makes the folder and those above it durable: a database in a folder that a power cut takes away is lost. */
function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    const descriptor = openSync(dirname(made), 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}
