import pRetry, { AbortError } from 'p-retry';
import type { Logger } from 'pino';
import { ProviderError } from '../domain/errors.ts';
import type { Attempt } from '../domain/image.ts';
import type { Clock } from '../ports/clock.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { Admission, JobOutcome } from './circuit-breaker.ts';
import type { RetryBudget } from './retry-budget.ts';
import { isOutage, type RetryPolicy, retryDelay } from './retry-policy.ts';
import { type RunLimits, spentLimitsError } from './run-limits.ts';
import { type Candidate, noProviderAvailable } from './upstreams.ts';

export interface CallRequest<Result> {
  /** Calls that this run of the image has made in an earlier process. */
  readonly earlierAttempts: readonly Attempt[];
  /** Ends the waits for a slot and for a retry. It does not end a call under way: `attempt` has signals of its own. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Makes one call. Raises `ProviderError` where it brings no picture. */
  readonly attempt: (candidate: Candidate) => Promise<Result>;
}

/**
 * Calls one provider, with retries, until it returns a picture or must not be called again; then raises the last error.
 * Raises `provider_unavailable` where its circuit breaker is open, and the signal's reason where that ends a wait.
 */
export type CallProvider = <Result>(
  request: CallRequest<Result>,
  candidate: Candidate,
  limits: RunLimits,
) => Promise<Result>;

/** The calls of one job to one provider, and how they went. */
interface JobCalls {
  /** Calls so far in this run, those of an earlier process included. */
  calls: number;
  /** Null until the circuit breaker has admitted the first call. */
  admission: Admission | null;
  outcome: JobOutcome;
  lastFailure: ProviderError | null;
}

export function createCallProvider({
  retry,
  retryBudget,
  telemetry,
  clock,
  random,
}: {
  readonly retry: RetryPolicy;
  readonly retryBudget: RetryBudget;
  readonly telemetry: Pick<Telemetry, 'providerRetry' | 'accountFault'>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}): CallProvider {
  return async <Result>(
    { earlierAttempts, signal, log, attempt }: CallRequest<Result>,
    candidate: Candidate,
    limits: RunLimits,
  ): Promise<Result> => {
    const { upstream } = candidate;
    const { provider, breaker, throttle } = upstream;
    const calls = earlierAttempts.filter((earlier) => earlier.provider === provider.name).length;
    const job: JobCalls = { calls, admission: null, outcome: 'unclear', lastFailure: null };
    if (calls >= retry.maxAttempts) throw spentLimitsError();
    if (breaker.waitMs() > 0) throw noProviderAvailable([upstream]);
    try {
      return await pRetry(callOnce, {
        retries: retry.maxAttempts - calls - 1,
        // All waiting is done in `waitForRetry`: p-retry's own would come on top of it. p-retry is not given the signal either,
        // as it would throw away a picture that arrives after the signal has fired.
        minTimeout: 0,
        onFailedAttempt: ({ error }) => noteFailure(error),
        shouldRetry: ({ error }) => waitForRetry(error),
      });
    } finally {
      if (job.admission !== null) breaker.jobEnded(job.admission, job.outcome);
    }

    async function callOnce(): Promise<Result> {
      using _slot = await throttle.acquire(signal);
      // Checked only now, since the wait for a slot may have been long.
      if (job.lastFailure === null) admitFirstCall();
      else admitRetry(job.lastFailure);
      limits.callBegins();
      job.calls += 1;
      const result = await attempt(candidate);
      job.outcome = 'made';
      return result;
    }

    function admitFirstCall(): void {
      job.admission = breaker.admit();
      if (job.admission === null) throw noProviderAvailable([upstream]);
      retryBudget.firstCall();
    }

    function admitRetry(failure: ProviderError): void {
      if (breaker.openedBy() !== null || !limits.mayCallAgain()) throw new AbortError(failure);
      telemetry.providerRetry(provider.name);
    }

    function noteFailure(error: Error): void {
      if (!(error instanceof ProviderError)) return;
      job.lastFailure = error;
      job.outcome = jobOutcomeOf(error);
      if (error.fault === 'account') telemetry.accountFault(provider.name);
      limits.callFailed(error);
    }

    /** Resolves to true when it is time for another call, and to false where there must be none. */
    async function waitForRetry(error: Error): Promise<boolean> {
      if (!(error instanceof ProviderError)) return false;
      const { fault, retryAfterMs, message: reason } = error;
      const { unknown } = limits;
      const { calls: attempts } = job;
      const state = { fault, retryAfterMs, attempts, unknown, elapsedMs: limits.elapsedMs() };
      const delayMs = retryDelay(state, retry, random);
      // The breaker is open where this call was a probe, or where other jobs have found the provider down meanwhile.
      if (delayMs === null || breaker.openedBy() !== null || !retryBudget.takeRetry()) return false;
      log.warn({ provider: provider.name, attempts, fault, delayMs, reason }, 'call failed, trying again');
      await clock.sleep(delayMs, signal);
      return true;
    }
  };
}

/** A 429 with Retry-After is not an outage: the provider works, and the throttle makes jobs wait. */
function jobOutcomeOf({ fault, retryAfterMs }: ProviderError): JobOutcome {
  const busy = fault === 'rate_limited' && retryAfterMs !== null;
  return isOutage(fault) && !busy ? fault : 'unclear';
}
