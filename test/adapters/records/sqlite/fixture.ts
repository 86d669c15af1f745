import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { openSqliteRecords } from '../../../../src/adapters/records/sqlite/records.ts';
import type { RecordStore } from '../../../../src/core/ports/record-store.ts';
import { trivialDerive } from '../../../contracts/record-store/trivial-derive.ts';

export type Child = ChildProcessByStdio<null, Readable, null>;

/** A place for one database, and the ways to open it. */
export interface DatabasePlace {
  folder(): string;
  path(): string;
  /** Opens the records at `path`, which is the place's own unless named, until the test ends. */
  open(path?: string): RecordStore;
  /** Opens the records, and gives the connection they use as well, for a look at what only it knows. */
  openWithConnection(): { readonly records: RecordStore; readonly connection: DatabaseSync };
  /** Runs a script in a process of its own, until the test ends. It finds `open()`, which opens the records at `path`. */
  startChild(script: string): Child;
}

/** Makes an empty place before each test of the suite around, and takes it away after it with all that was opened there. */
export function makePlaceForEach(): DatabasePlace {
  let folder: string;
  let opened: RecordStore[];
  let children: Child[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'easel-sqlite-'));
    opened = [];
    children = [];
  });

  afterEach(async () => {
    vi.restoreAllMocks();
    for (const records of opened) await records.close();
    await Promise.all(children.map(stopped));
    await rm(folder, { recursive: true });
  });

  const pathOf = () => join(folder, 'easel.db');

  const keep = (records: RecordStore): RecordStore => {
    opened.push(records);
    return records;
  };

  return {
    folder: () => folder,
    path: pathOf,
    open: (path = pathOf()) => keep(openSqliteRecords({ path, derive: trivialDerive })),

    openWithConnection() {
      const path = pathOf();
      const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
      const records = keep(openSqliteRecords({ path, derive: trivialDerive, busyTimeoutMs: 20 }));
      const connection = prepare.mock.contexts.find((one) => (one as DatabaseSync).location() === path);
      prepare.mockRestore();
      expect(connection).toBeInstanceOf(DatabaseSync);
      return { records, connection: connection as DatabaseSync };
    },

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

/** Kills the process and waits until it is gone. */
export async function stopped(child: Child): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Runs SQL on the database from outside. */
export function execute(path: string, statement: string): void {
  const database = new DatabaseSync(path);
  database.exec(statement);
  database.close();
}

/** What SQLite's own check finds: `ok` where the file is sound. */
export function integrity(path: string): unknown {
  const database = new DatabaseSync(path);
  const row = database.prepare('PRAGMA integrity_check').get();
  database.close();
  return row?.integrity_check;
}

function urlOf(relative: string): string {
  return new URL(relative, import.meta.url).href;
}
