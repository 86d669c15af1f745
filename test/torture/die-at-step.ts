/**
 * Kills the process by SIGKILL at one of the `STEPS`. It is loaded ahead of the service,
 *
 *     DIE_AT=betweenRenames DIE_ON=3 node --import ./test/torture/die-at-step.ts src/main.ts
 *
 * and wraps the functions for files and SQLite below it, so that the service under test is the one that is shipped. Its worker threads
 * load it, too: the database is written by one of them, and the steps around a commit are reached there, before the thread has answered.
 * `DIE_ON` is the occurrence of the step that kills (1, the first, by default), counted over all threads; with `DIE_FOR` only the steps of
 * that mediaId count.
 */

import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname } from 'node:path';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { mediaIdOf } from '../../src/core/domain/file-names.ts';
import type { Image } from '../../src/core/domain/image.ts';
import { stepsOf } from './commit-steps.ts';
import { reached } from './reached.ts';

// ---------------------------------------------------------------- SQLite

/**
 * The images that the open transaction writes or deletes. Writes of several images may share it, each in a savepoint: one that is undone
 * takes no step.
 */
let open: { readonly mediaId: string; readonly steps: ReturnType<typeof stepsOf> }[] = [];
/** How many of them were written before the savepoint. */
let kept = 0;

const { run } = StatementSync.prototype;
StatementSync.prototype.run = function (this: StatementSync, ...values: unknown[]) {
  const [first] = values;
  if (typeof first === 'object' && first !== null && 'document' in first) {
    const image = JSON.parse(String(first.document)) as Image;
    open.push({ mediaId: image.mediaId, steps: stepsOf(image) });
  } else if (/^\s*INSERT INTO deletions/.test(this.sourceSQL)) {
    const { mediaId } = first as { readonly mediaId: string };
    open.push({ mediaId, steps: { before: null, after: 'afterDeletionNoted' } });
  } else if (/^\s*DELETE FROM deletions/.test(this.sourceSQL)) {
    reached('beforeDeletionDone', String(first));
  }
  return Reflect.apply(run, this, values);
};

const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (sql: string) {
  if (sql.startsWith('BEGIN')) open = [];
  if (sql.startsWith('SAVEPOINT')) kept = open.length;
  if (sql.startsWith('ROLLBACK TO')) open.length = kept;
  const committed = sql === 'COMMIT' ? open : [];
  for (const { mediaId, steps } of committed) if (steps.before) reached(steps.before, mediaId);
  exec.call(this, sql);
  for (const { mediaId, steps } of committed) if (steps.after) reached(steps.after, mediaId);
};

// ----------------------------------------------------------------- files

const { rename, unlink } = fs;

const isOriginal = (path: string) => basename(dirname(path)) === 'originals';
const imageOf = (path: string) => mediaIdOf(isOriginal(path) ? `originals/${basename(path)}` : basename(path));

fs.rename = async (from, to) => {
  const path = String(to);
  if (isOriginal(path)) reached('beforeOriginalNamed', imageOf(path));
  await rename(from, to);
  if (basename(dirname(path)) === 'inputs') reached('afterInputStored', null);
  else if (!isOriginal(path)) reached('betweenRenames', imageOf(path));
};

fs.unlink = async (path) => {
  await unlink(path);
  reached('betweenUnlinks', imageOf(String(path)));
};

syncBuiltinESMExports();
