import { isThreadLost } from './errors.ts';
import type { Outcome, Step } from './writer/write.ts';

/**
 * Does a write, and once more where the thread died that was to do it, unless it `isStored` all the same. Writes without `isStored` may
 * be done twice. `waitMs`: how long it waits for a lock of another program, in milliseconds.
 */
export type Persist = (steps: readonly Step[], isStored?: () => Promise<boolean>, waitMs?: number) => Promise<Outcome>;

/** A write is given up where so many threads in a row died over it. */
const MAX_TRIES_OF_THREADS = 2;

/** `write` does a write on the thread of writes, once. */
export function createPersist(write: (steps: readonly Step[], waitMs?: number) => Promise<Outcome>): Persist {
  return async (steps, isStored, waitMs) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await write(steps, waitMs);
      } catch (error) {
        if (!isThreadLost(error)) throw error;
        if (await isStored?.()) return { stopped: null, row: null };
        if (tries === MAX_TRIES_OF_THREADS) throw error;
      }
    }
  };
}
