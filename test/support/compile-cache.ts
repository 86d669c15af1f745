/**
 * Node's compile cache for the processes that tests start: it takes a third off each start. Node writes the cache when a process
 * exits normally, but tests kill most of theirs, so one process fills the cache before the first test.
 */

import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const COMPILE_CACHE = join(tmpdir(), 'easel-compile-cache');

/** Called by vitest once, ahead of all tests. */
export function setup(): void {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  // Loads every module, refuses the wrong PORT, and exits.
  spawnSync(process.execPath, [main], { env: { NODE_COMPILE_CACHE: COMPILE_CACHE, PORT: 'none' } });
}
