import type { Logger } from 'pino';
import type { ProviderError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Round } from './outage/round.ts';
import type { RetryBudget } from './retry-budget.ts';
import { type RetryPolicy, retryDelay } from './retry-policy.ts';
import type { RunLimits } from './run-limits.ts';

interface RetryWaitRequest {
  readonly round: Round;
  readonly limits: RunLimits;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/**
 * Waits, after a call has failed, until a retry may begin, and resolves to `retry`. Resolves at once to `none` where there must be none,
 * and to `put_off` as soon as the retry budget is seen to have none left. Rejects with the signal's reason.
 */
export type WaitForRetry = (failure: ProviderError, request: RetryWaitRequest) => Promise<'retry' | 'none' | 'put_off'>;

export function createWaitForRetry({
  retry,
  retryBudget,
  clock,
  random,
}: {
  readonly retry: RetryPolicy;
  readonly retryBudget: RetryBudget;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}): WaitForRetry {
  return async ({ fault, retryAfterMs, reason }, { round, limits, signal, log }) => {
    const { provider, breaker } = round.candidate.upstream;
    const { calls: attempts } = round;
    const state = { fault, retryAfterMs, attempts, unknown: limits.unknown, elapsedMs: limits.elapsedMs() };
    const delayMs = retryDelay(state, retry, random);
    // The breaker is open where other jobs have found the provider down meanwhile.
    if (delayMs === null || breaker.openedBy() !== null) return 'none';
    if (retryBudget.waitMs() > delayMs) return 'put_off';
    log.warn({ provider: provider.name, attempts, fault, delayMs, reason }, 'call failed, trying again');
    await clock.sleep(delayMs, signal);
    return retryBudget.takeRetry() ? 'retry' : 'put_off';
  };
}
