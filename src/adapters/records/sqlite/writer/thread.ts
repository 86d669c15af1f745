/**
 * The thread that writes to the database. What has arrived while a commit was out shares the next one, so that a slow disk costs each
 * write one or two syncs and the number of writes a second does not end at the number of syncs.
 */

import type { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { connectDurably } from './connection.ts';
import { type CommitGroup, createGroupCommit } from './group-commit.ts';
import { assertSameFiles } from './same-file.ts';
import { type FromThread, faultOf, type Result, type ThreadData, type ToThread, type Write } from './write.ts';

/** Pauses between looks at whether another program's lock is gone, in milliseconds. */
const MIN_PAUSE_MS = 5;
const MAX_PAUSE_MS = 100;
/** SQLite's code for a lock of another connection, in the low byte (https://sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;

interface Waiting {
  readonly id: number;
  readonly write: Write;
  /** When it gives up waiting for a lock, on the clock of `performance.now`. */
  readonly until: number;
}

const port = parentPort;
if (port === null) throw new Error('this file is a worker thread');
const { path, files } = workerData as ThreadData;

let connection: { readonly database: DatabaseSync; readonly commitGroup: CommitGroup } | null = null;
let waiting: readonly Waiting[] = [];
let isScheduled = false;
let isClosing = false;

port.on('message', (message: ToThread) => {
  if (message === 'close') isClosing = true;
  else waiting = [...waiting, { ...message, until: performance.now() + message.write.waitMs }];
  if (!isScheduled) schedule(0);
});

/** Takes up the writes once every message that is there has been read, or after a pause. */
function schedule(pauseMs: number): void {
  isScheduled = true;
  if (pauseMs === 0) setImmediate(takeUp, MIN_PAUSE_MS);
  else setTimeout(takeUp, pauseMs, Math.min(2 * pauseMs, MAX_PAUSE_MS));
}

/** Commits what waits. While another program writes, whatever has time left waits on for `pauseMs`. */
function takeUp(pauseMs: number): void {
  isScheduled = false;
  const group = waiting;
  waiting = [];
  if (group.length > 0) {
    try {
      const results = connect().commitGroup(group.map(({ write }) => write));
      answer(group.map(({ id }, index) => ({ id, result: results[index] as Result })));
    } catch (error) {
      const fault = faultOf(error);
      const isBusy = fault.errcode !== undefined && (fault.errcode & 0xff) === SQLITE_BUSY;
      // Looked at once for all: a write for which the time came to an end between two looks would be forgotten.
      const next = performance.now() + pauseMs;
      const givesUp = ({ until }: Waiting) => !isBusy || next > until;
      answer(group.filter(givesUp).map(({ id }) => ({ id, result: { fault } })));
      waiting = group.filter((one) => !givesUp(one));
    }
  }
  if (waiting.length > 0) schedule(pauseMs);
  else if (isClosing) close();
}

/** The connection, opened at the first write: what prevents that fails the write, and the next one tries again. */
function connect(): { readonly commitGroup: CommitGroup } {
  if (connection) return connection;
  // SQLite would make a new file where the old one is gone.
  assertSameFiles(files);
  const database = connectDurably(path, 0);
  database.exec('PRAGMA foreign_keys = ON');
  connection = { database, commitGroup: createGroupCommit(database, () => assertSameFiles(files)) };
  return connection;
}

function answer(results: FromThread): void {
  if (results.length > 0) port?.postMessage(results);
}

function close(): void {
  connection?.database.close();
  port?.close();
}
