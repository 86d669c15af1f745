import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { openSqliteRecords } from '../../../../src/adapters/records/sqlite/records.ts';
import type { RecordStore } from '../../../../src/core/ports/record-store.ts';
import { trivialDerive } from '../../../contracts/record-store/trivial-derive.ts';

type Child = ChildProcessByStdio<null, Readable, null>;

/** A place for one database, and the ways to open it. */
interface DatabasePlace {
  folder(): string;
  path(): string;
  /** Opens the records at `path`, by default the place's own, until the test ends. */
  open(path?: string): RecordStore;
  /** Opens the records, and gives a connection of its own to the file as well, for query plans and injected faults. */
  openWithConnection(): { readonly records: RecordStore; readonly connection: DatabaseSync };
  /** Gives a connection to the file, until the test ends. */
  openConnection(): { readonly connection: DatabaseSync };
  /** Runs a script in a child process until the test ends. The script's `open()` opens the records at `path`. */
  startChild(script: string): Child;
}

/** Makes an empty place before each test of the enclosing suite; afterwards closes what was opened there and removes it. */
export function makePlaceForEach(): DatabasePlace {
  let folder: string;
  let opened: RecordStore[];
  let children: Child[];
  let connections: DatabaseSync[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'easel-sqlite-'));
    opened = [];
    children = [];
    connections = [];
  });

  afterEach(async () => {
    vi.restoreAllMocks();
    for (const connection of connections) connection.close();
    for (const records of opened) await records.close();
    await Promise.all(children.map(stopped));
    await rm(folder, { recursive: true });
  });

  const pathOf = () => join(folder, 'easel.db');

  const closeLater = (records: RecordStore): RecordStore => {
    opened.push(records);
    return records;
  };

  const openConnection = () => {
    const connection = new DatabaseSync(pathOf());
    connections.push(connection);
    return { connection };
  };

  return {
    folder: () => folder,
    path: pathOf,
    open: (path = pathOf()) => closeLater(openSqliteRecords({ path, derive: trivialDerive })),

    openWithConnection() {
      const path = pathOf();
      const records = closeLater(openSqliteRecords({ path, derive: trivialDerive, busyTimeoutMs: 20 }));
      return { records, ...openConnection() };
    },

    openConnection,

    startChild(script) {
      const code = `
        import { openSqliteRecords } from ${JSON.stringify(urlOf('../../../../src/adapters/records/sqlite/records.ts'))};
        import { trivialDerive } from ${JSON.stringify(urlOf('../../../contracts/record-store/trivial-derive.ts'))};
        const open = () => openSqliteRecords({ path: ${JSON.stringify(pathOf())}, derive: trivialDerive });
        ${script}`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.push(child);
      return child;
    },
  };
}

/** Kills the process and waits for its exit. */
export async function stopped(child: Child): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Runs SQL on the database over a connection of its own. */
export function execute(path: string, statement: string): void {
  const database = new DatabaseSync(path);
  database.exec(statement);
  database.close();
}

/** Makes every occurrence of a JSON text in a closed database unreadable, by one byte of it: damage of the disk. */
export async function damage(path: string, json: string): Promise<void> {
  const bytes = await readFile(path);
  expect(bytes.includes(json)).toBe(true);
  for (let index = bytes.indexOf(json); index >= 0; index = bytes.indexOf(json)) bytes.write('~', index);
  await writeFile(path, bytes);
}

/** The result of SQLite's integrity check: `ok` for a sound file. */
export function integrity(path: string): unknown {
  const database = new DatabaseSync(path);
  const row = database.prepare('PRAGMA integrity_check').get();
  database.close();
  return row?.integrity_check;
}

function urlOf(relative: string): string {
  return new URL(relative, import.meta.url).href;
}
