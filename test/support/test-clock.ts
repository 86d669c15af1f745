import type { Clock } from '../../src/core/ports/clock.ts';

export interface TestClock extends Clock {
  /** Every wait that was skipped, in milliseconds and in order. */
  readonly slept: readonly number[];
  /** How many waits are pending. */
  readonly sleepers: number;
  /** Lets time pass, and ends the waits whose time has come. */
  advance(ms: number): void;
  /** Sets the time of day forward or back, as an operator or NTP does; no time passes. */
  step(ms: number): void;
  /**
   * The same clock for what waits again and again, such as the heartbeat of an open stream: it skips no wait. Skipped heartbeats would let
   * hours pass within a second.
   */
  readonly unskipped: Clock;
}

/**
 * A clock that skips waits of up to `skipMs`, a minute by default: they end at once and move the clock forward by their length.
 * Longer ones (deadlines, timeouts) last until the clock is set forward or their signal fires.
 */
export function createTestClock({ skipMs = 60_000 }: { readonly skipMs?: number } = {}): TestClock {
  const slept: number[] = [];
  const sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();
  let ahead = 0;
  let stepped = 0;
  const monotonic = () => Math.floor(performance.now()) + ahead;
  const now = () => Date.now() + ahead + stepped;

  const untilAdvanced = async (ms: number, signal?: AbortSignal) => {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = { until: monotonic() + ms, wake: resolve };
    const abort = () => reject(signal?.reason);
    sleepers.add(sleeper);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      sleepers.delete(sleeper);
      signal?.removeEventListener('abort', abort);
    }
  };

  return {
    slept,
    get sleepers() {
      return sleepers.size;
    },
    now,
    monotonic,
    unskipped: { now, monotonic, sleep: untilAdvanced },
    advance(ms) {
      ahead += ms;
      for (const { until, wake } of sleepers) if (until <= monotonic()) wake();
    },
    step(ms) {
      stepped += ms;
    },
    async sleep(ms, signal) {
      if (ms > skipMs) return await untilAdvanced(ms, signal);
      signal?.throwIfAborted();
      slept.push(ms);
      ahead += ms;
      // Lets the event loop serve timers and sockets, as a real wait would.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

export interface ManualClock extends Clock {
  /** Lets time pass, and wakes the sleepers whose time has come. */
  move(ms: number): void;
  /** Sets the time of day forward or back; no time passes. */
  step(ms: number): void;
}

/** A clock that stands still until it is moved. */
export function createManualClock(start = Date.UTC(2026, 10, 23, 16)): ManualClock {
  let now = start;
  let monotonic = 0;
  let sleepers: { until: number; wake: () => void }[] = [];
  return {
    now: () => now,
    monotonic: () => monotonic,
    sleep: (ms, signal) =>
      new Promise<void>((resolve, reject) => {
        signal?.throwIfAborted();
        sleepers.push({ until: monotonic + ms, wake: resolve });
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
    move(ms) {
      now += ms;
      monotonic += ms;
      for (const { wake } of sleepers.filter(({ until }) => until <= monotonic)) wake();
      sleepers = sleepers.filter(({ until }) => until > monotonic);
    },
    step(ms) {
      now += ms;
    },
  };
}
