import type { Clock } from '../ports/clock.ts';

/** Bounds the retries of all jobs together, so that an outage is not made worse by those who suffer from it. */
export interface RetryBudget {
  /** Notes the first call that a job makes to a provider. */
  firstCall(): void;
  /** Takes a retry, or says that there is none left. */
  takeRetry(): boolean;
}

const WINDOW_MS = 60_000;
/** A quiet service may always try again: a share of next to nothing is nothing. */
const FREE_RETRIES = 10;
/** Of the first calls, so that under a total outage calls are at most 1.2 per job. */
const RETRY_SHARE = 0.2;

/** Within any minute: 10 retries, or a fifth of the first calls where that is more. */
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
      const left = retries.length < Math.max(FREE_RETRIES, Math.floor(firstCalls.length * RETRY_SHARE));
      if (left) retries.push(now);
      return left;
    },
  };
}

function recent(times: readonly number[], now: number): number[] {
  // A time in the future is of a clock that was set back since.
  return times.filter((time) => time > now - WINDOW_MS && time <= now);
}
