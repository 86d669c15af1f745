import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** The write-ahead log is cut to this size when its content has reached the database. Checkpoints keep it at some 4 MiB. */
const MAX_IDLE_WAL_BYTES = 4 * 1024 * 1024;

/**
 * Opens a connection with a write-ahead log whose commits are durable when they return. It waits `busyTimeoutMs` for locks of other
 * programs, and enforces no foreign keys yet.
 */
export function connectDurably(path: string, busyTimeoutMs: number): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: false });
  try {
    // fullfsync: on macOS a plain fsync leaves the bytes in the drive's cache. It has no effect elsewhere.
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA journal_size_limit = ${MAX_IDLE_WAL_BYTES};
      PRAGMA synchronous = FULL;
      PRAGMA fullfsync = ON;
      PRAGMA checkpoint_fullfsync = ON`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The prepared statement for an SQL text, from a cache of this connection. */
export function cacheStatements(database: DatabaseSync): (sql: string) => StatementSync {
  const statements = new Map<string, StatementSync>();
  return (sql) => {
    const prepared = statements.get(sql);
    if (prepared) return prepared;
    const statement = database.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
}

/** Runs `work` in a transaction that is begun for writing, and returns its result; rolls back and rethrows when it raises. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** Ends the transaction, if there still is one: SQLite rolls back by itself after some errors, such as a full disk. */
export function rollBack(database: DatabaseSync): void {
  if (database.isTransaction) database.exec('ROLLBACK');
}
