import type { Clock } from '../ports/clock.ts';

/** What the operator allows; null for no limit. */
export interface ThrottleLimits {
  /** Calls at the same time. */
  readonly concurrency: number | null;
  /** Calls begun within any minute; a call makes one picture. */
  readonly perMinute: number | null;
}

/** The way to one provider: calls wait here, in the order they came, rather than be refused there. */
export interface Throttle {
  /** Resolves when a call may begin; what it gives is to be disposed of when the call has ended. Rejects with the signal's reason. */
  acquire(signal: AbortSignal): Promise<Disposable>;
  /** The provider asks to be left alone for so long. */
  pause(ms: number): void;
  /** The provider made a picture. */
  succeeded(): void;
  /** Milliseconds for which it is paused yet; 0 when it is not. */
  pausedMs(): number;
}

const WINDOW_MS = 60_000;
/** Servers ask for days and years, too. After this long one call looks whether it is still so. */
const MAX_PAUSE_MS = 5 * 60_000;

/**
 * After a pause one call goes first, and each picture doubles how many may go at once: the calls that waited do not come
 * back as one, only to be refused and to spend their retries.
 */
export function createThrottle({ concurrency, perMinute }: ThrottleLimits, clock: Clock): Throttle {
  const waiting: symbol[] = [];
  let wake = new AbortController();
  let slowStartLimit = Number.POSITIVE_INFINITY;
  let active = 0;
  let pausedUntil = 0;
  let startTimes: number[] = [];

  function pausedMs(): number {
    const left = pausedUntil - clock.now();
    // A clock that was set back must not hold calls for longer than any pause.
    return left > MAX_PAUSE_MS ? 0 : Math.max(0, left);
  }

  /** Until the next call may begin, in milliseconds; infinite where another has to end first. */
  function waitMs(): number {
    const paused = pausedMs();
    if (paused > 0) return paused;
    if (active >= Math.min(slowStartLimit, concurrency ?? slowStartLimit)) return Number.POSITIVE_INFINITY;
    if (perMinute === null) return 0;
    const now = clock.now();
    startTimes = startTimes.filter((time) => time > now - WINDOW_MS && time <= now);
    const blocking = startTimes.at(-perMinute);
    return blocking === undefined ? 0 : blocking + WINDOW_MS - now;
  }

  function wakeWaiting(): void {
    wake.abort();
    wake = new AbortController();
  }

  return {
    pausedMs,
    async acquire(signal) {
      const ticket = Symbol();
      waiting.push(ticket);
      try {
        for (;;) {
          signal.throwIfAborted();
          const ms = waiting[0] === ticket ? waitMs() : Number.POSITIVE_INFINITY;
          if (ms === 0) break;
          const woken = AbortSignal.any([signal, wake.signal]);
          await clock.sleep(Math.min(ms, MAX_PAUSE_MS), woken).catch(() => undefined);
        }
        active += 1;
        if (perMinute !== null) startTimes.push(clock.now());
      } finally {
        waiting.splice(waiting.indexOf(ticket), 1);
        wakeWaiting();
      }
      return {
        [Symbol.dispose]() {
          active -= 1;
          wakeWaiting();
        },
      };
    },
    pause(ms) {
      pausedUntil = clock.now() + Math.min(Math.max(ms, pausedMs()), MAX_PAUSE_MS);
      slowStartLimit = 1;
    },
    succeeded() {
      slowStartLimit *= 2;
      wakeWaiting();
    },
  };
}
