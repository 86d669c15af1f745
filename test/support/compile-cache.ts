/**
 * Compiled modules, for the processes that tests start: takes a third off each start. Node writes them down when a process
 * ends in peace, which most of those processes do not, so one does before the first test.
 */

import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const COMPILE_CACHE = join(tmpdir(), 'easel-compile-cache');

/** Called by vitest once, ahead of all tests. */
export function setup(): void {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  // Loads every module, finds that there is no such port, and ends.
  spawnSync(process.execPath, [main], { env: { NODE_COMPILE_CACHE: COMPILE_CACHE, PORT: 'none' } });
}
