import type { Clock } from '../../src/images/ports.ts';

export interface TestClock extends Clock {
  /** Every wait that was asked for, in milliseconds and in order, except those for longer than a minute. */
  readonly slept: readonly number[];
  /** Sets the clock forward. */
  advance(ms: number): void;
}

/** Waits of up to a minute are over at once, time having passed; longer ones (deadlines, timeouts) last until their signal. */
export function createTestClock(): TestClock {
  const slept: number[] = [];
  let ahead = 0;
  return {
    slept,
    now: () => Date.now() + ahead,
    advance(ms) {
      ahead += ms;
    },
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      if (ms <= 60_000) {
        slept.push(ms);
        ahead += ms;
        // Lets timers and sockets have their turn, as a real wait would.
        await new Promise((resolve) => setImmediate(resolve));
        return;
      }
      await new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    },
  };
}
