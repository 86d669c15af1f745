/**
 * Loaded ahead of `easel backup` (`node --import`): kills the process (SIGKILL) before the renaming number `DIE_AT_RENAME`, counted from 1.
 * `DELETE_FIRST` names an image of a service by its URL: it is deleted before the first picture is copied.
 */

import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const dieAt = Number(process.env.DIE_AT_RENAME ?? 0);
const toDelete = process.env.DELETE_FIRST;
const { rename, copyFile } = fs;
let renames = 0;
let deleted: Promise<unknown> | null = null;

fs.rename = async (from, to) => {
  renames += 1;
  if (renames === dieAt) process.kill(process.pid, 'SIGKILL');
  await rename(from, to);
};

fs.copyFile = async (from, to, mode) => {
  if (toDelete !== undefined) {
    deleted ??= fetch(toDelete, { method: 'DELETE' });
    await deleted;
  }
  await copyFile(from, to, mode);
};

syncBuiltinESMExports();
