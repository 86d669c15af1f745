import { DatabaseSync } from 'node:sqlite';

/** What the inserts of one run came to. */
export interface Inserts {
  readonly perSecond: number;
  /** How long each row waited to be durable, in milliseconds. */
  readonly waitsMs: readonly number[];
}

/**
 * Inserts rows with a document of `bytes` into a new database at `path` for `ms` milliseconds, as durably as Easel writes (WAL,
 * `synchronous=FULL`), with one commit for every `group` rows, and nothing else. A row of a group waits for the whole group's commit.
 */
export function insertRows(path: string, bytes: number, group: number, ms: number): Inserts {
  const database = new DatabaseSync(path);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE rows (id TEXT NOT NULL PRIMARY KEY, created_at INTEGER NOT NULL, document TEXT NOT NULL) STRICT`);
  const insert = database.prepare('INSERT INTO rows VALUES (?, ?, ?)');
  const document = JSON.stringify('x'.repeat(bytes - 2));
  const waitsMs: number[] = [];
  const began = performance.now();
  while (performance.now() < began + ms) {
    const from = performance.now();
    database.exec('BEGIN IMMEDIATE');
    for (let row = 0; row < group; row += 1) insert.run(`row-${waitsMs.length + row}`, Date.now(), document);
    database.exec('COMMIT');
    const wait = performance.now() - from;
    for (let row = 0; row < group; row += 1) waitsMs.push(wait);
  }
  const seconds = (performance.now() - began) / 1000;
  database.close();
  return { perSecond: waitsMs.length / seconds, waitsMs };
}
