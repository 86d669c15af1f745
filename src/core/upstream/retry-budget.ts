import type { Clock } from '../ports/clock.ts';

/** Retry budget of all jobs together: retries must not amplify an outage. */
export interface RetryBudget {
  /** Counts the first call that a job makes to a provider. */
  firstCall(): void;
  /** Takes one retry from the budget; false where none is left. */
  takeRetry(): boolean;
  /** Milliseconds until a retry is left, if no other job takes it; 0 where one is left now. */
  waitMs(): number;
}

const WINDOW_MS = 60_000;
/** Retries per first call, so that a total outage sees at most 1.2 calls per job. */
const RETRY_SHARE = 0.2;

/**
 * Allows, within any minute, `retriesPerMinute` retries or a fifth of the first calls, whichever is more: with few calls the fifth alone
 * would round to nothing.
 */
export function createRetryBudget(retriesPerMinute: number, clock: Clock): RetryBudget {
  let firstCalls: readonly number[] = [];
  let retries: readonly number[] = [];

  function waitMs(): number {
    const now = clock.monotonic();
    firstCalls = recent(firstCalls, now);
    retries = recent(retries, now);
    const allowed = Math.max(retriesPerMinute, Math.floor(firstCalls.length * RETRY_SHARE));
    const blocking = retries.at(-allowed);
    return blocking === undefined ? 0 : blocking + WINDOW_MS - now;
  }

  return {
    waitMs,
    firstCall() {
      firstCalls = [...recent(firstCalls, clock.monotonic()), clock.monotonic()];
    },
    takeRetry() {
      const isLeft = waitMs() === 0;
      if (isLeft) retries = [...retries, clock.monotonic()];
      return isLeft;
    },
  };
}

/** The times within the window. */
function recent(times: readonly number[], now: number): readonly number[] {
  return times.filter((time) => time > now - WINDOW_MS);
}
