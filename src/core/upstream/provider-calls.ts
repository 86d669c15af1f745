import pRetry, { AbortError } from 'p-retry';
import type { Logger } from 'pino';
import { ProviderError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { Admission, JobOutcome } from './circuit-breaker.ts';
import { MOST_REFUSED_PARAMETERS, type Round } from './outage/round.ts';
import type { RetryBudget } from './retry-budget.ts';
import { isOutage, type RetryPolicy } from './retry-policy.ts';
import { createWaitForRetry } from './retry-wait.ts';
import type { RunLimits } from './run-limits.ts';
import type { Candidate } from './upstreams.ts';

export interface CallRequest<Result> {
  /**
   * Ends the waits for a slot, for a retry and for the end of an outage. It does not end a call under way: `attempt` has signals of its
   * own.
   */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Makes one call. Raises `ProviderError` where it brings no picture. */
  readonly attempt: (candidate: Candidate) => Promise<Result>;
}

/**
 * Calls one provider, with retries, until it returns a picture or must not be called again for now; then raises the last error, and
 * the round says whether it may be called later. Resolves to null where the round admits no call. Raises the signal's reason where that
 * ends a wait.
 */
export type CallProvider = <Result>(
  request: CallRequest<Result>,
  round: Round,
  limits: RunLimits,
) => Promise<{ readonly result: Result } | null>;

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
  const waitForRetry = createWaitForRetry({ retry, retryBudget, clock, random });

  return async <Result>(
    { signal, log, attempt }: CallRequest<Result>,
    round: Round,
    limits: RunLimits,
  ): Promise<{ readonly result: Result } | null> => {
    const { candidate } = round;
    const { provider, breaker, throttle } = candidate.upstream;
    /** Null until the first call is admitted. */
    let admission: Admission | null = null;
    let outcome: JobOutcome = 'unclear';
    let lastFailure: ProviderError | null = null;
    let isRetryPutOff = false;
    try {
      return await pRetry(callOnce, {
        // Calls after refused parameters do not count.
        retries: retry.maxAttempts - 1 + MOST_REFUSED_PARAMETERS,
        // All waiting is done in `waitForRetry`: p-retry's own would come on top of it. p-retry is not given the signal either,
        // as it would throw away a picture that arrives after the signal has fired.
        minTimeout: 0,
        onFailedAttempt: ({ error }) => noteFailure(error),
        shouldRetry: ({ error }) => mayFollow(error),
      });
    } catch (error) {
      if (error instanceof ProviderError && admission !== null) round.stopped(error, admission, isRetryPutOff);
      throw error;
    } finally {
      if (admission !== null) round.ended(admission, outcome);
    }

    async function callOnce(): Promise<{ readonly result: Result } | null> {
      using _slot = await throttle.acquire(signal);
      // Checked only now, since the wait for a slot may have been long.
      if (lastFailure !== null) admitNextCall(lastFailure);
      else if (!admitFirstCall()) return null;
      limits.begins();
      round.callBegins();
      const result = await attempt(candidate);
      outcome = 'made';
      return { result };
    }

    function admitFirstCall(): boolean {
      admission = limits.mayCallAgain() ? round.admit() : null;
      return admission !== null;
    }

    function admitNextCall(failure: ProviderError): void {
      const isRetry = failure.fault !== 'parameter_refused';
      if (!limits.mayCallAgain() || (isRetry && breaker.openedBy() !== null)) throw new AbortError(failure);
      if (isRetry) telemetry.providerRetry(provider.name);
    }

    function noteFailure(error: Error): void {
      if (!(error instanceof ProviderError)) return;
      lastFailure = error;
      outcome = jobOutcomeOf(error);
      if (outcome !== 'unclear') round.callFailed();
      if (error.fault === 'account') telemetry.accountFault(provider.name);
      limits.callFailed(error);
    }

    /** Resolves to true when it is time for another call, and to false where there must be none. */
    async function mayFollow(error: Error): Promise<boolean> {
      if (!(error instanceof ProviderError)) return false;
      // The server has made nothing, and the provider remembers what it refused: no reason to wait, and none to doubt the provider.
      if (error.fault === 'parameter_refused') return round.parameterRefused(error.parameter);
      // A probe is a single call.
      if (admission === 'probe') return false;
      const end = await waitForRetry(error, { round, limits, signal, log });
      isRetryPutOff = end === 'put_off';
      return end === 'retry';
    }
  };
}

/**
 * A 429 with Retry-After is not an outage: the provider works, and the throttle makes jobs wait. Nor is a thread of ours that dies, with
 * all the calls that it made.
 */
function jobOutcomeOf({ fault, retryAfterMs, isOurs }: ProviderError): JobOutcome {
  const busy = fault === 'rate_limited' && retryAfterMs !== null;
  return isOutage(fault) && !busy && !isOurs ? fault : 'unclear';
}
