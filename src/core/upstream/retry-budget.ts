import type { Clock } from '../ports/clock.ts';

/** Retry budget of all jobs together: retries must not amplify an outage. */
export interface RetryBudget {
  /** Counts the first call that a job makes to a provider. */
  firstCall(): void;
  /** Takes one retry from the budget; false where none is left. */
  takeRetry(): boolean;
}

const WINDOW_MS = 60_000;
/** Retries that are always allowed: with few calls the share would round to nothing. */
const FREE_RETRIES = 10;
/** Retries per first call, so that a total outage sees at most 1.2 calls per job. */
const RETRY_SHARE = 0.2;

/** Allows, within any minute, 10 retries or a fifth of the first calls, whichever is more. */
export function createRetryBudget(clock: Clock): RetryBudget {
  let firstCalls: number[] = [];
  let retries: number[] = [];

  return {
    firstCall() {
      firstCalls = recent(firstCalls, clock.now());
      firstCalls.push(clock.now());
    },
    takeRetry() {
      const now = clock.now();
      firstCalls = recent(firstCalls, now);
      retries = recent(retries, now);
      const isLeft = retries.length < Math.max(FREE_RETRIES, Math.floor(firstCalls.length * RETRY_SHARE));
      if (isLeft) retries.push(now);
      return isLeft;
    },
  };
}

/** The times within the window. A time in the future was taken before the clock was set back, and is dropped. */
function recent(times: readonly number[], now: number): number[] {
  return times.filter((time) => time > now - WINDOW_MS && time <= now);
}
