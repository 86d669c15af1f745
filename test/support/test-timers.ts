import type { Timers } from '../../src/adapters/time/awake-time.ts';

/** Timers that stand still until the test moves them. */
export function createTimers() {
  let now = 0;
  let next: { readonly due: number; readonly callback: () => void } | null = null;
  const timers: Timers = {
    now: () => now,
    setTimeout(callback, ms) {
      next = { due: now + ms, callback };
      return next;
    },
    clearTimeout(handle) {
      if (handle === next) next = null;
    },
  };
  return {
    timers,
    get isRunning() {
      return next !== null;
    },
    /** Lets time pass while the process is awake: each timer fires when it is due, or `lagMs` later. */
    awake(ms: number, lagMs = 0) {
      const until = now + ms;
      while (next !== null && next.due + lagMs <= until) {
        now = next.due + lagMs;
        fire();
      }
      now = until;
    },
    /** Suspends the process: the timer that fell due meanwhile fires once, late. */
    suspended(ms: number) {
      now += ms;
      if (next !== null && next.due <= now) fire();
    },
  };

  function fire(): void {
    const due = next;
    next = null;
    due?.callback();
  }
}
