import { ImageError, ProviderError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { CallProvider, CallRequest } from './provider-calls.ts';
import { isOutage, type RetryPolicy } from './retry-policy.ts';
import { createRunLimits, spentLimitsError } from './run-limits.ts';
import { type Candidate, noProviderAvailable } from './upstreams.ts';

interface FallbackRequest<Result> extends CallRequest<Result> {
  /** In order of preference. */
  readonly candidates: readonly Candidate[];
  /** Calls of unknown outcome that count against `ambiguousRetries` before the first one of this request. */
  readonly unknownBefore: number;
}

/**
 * Calls providers in order until one returns a picture: each with its own retries, the next one only on an outage. After a
 * refusal, past the deadline, or after more calls of unknown outcome than are allowed, no other provider is called. Providers
 * with an open circuit breaker are skipped; raises `provider_unavailable` where that leaves none, otherwise the error of the
 * last provider called.
 */
export type CallWithFallback = <Result>(request: FallbackRequest<Result>) => Promise<Result>;

export function createFallback({
  callProvider,
  retry,
  clock,
}: {
  readonly callProvider: CallProvider;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
}): CallWithFallback {
  return async <Result>(request: FallbackRequest<Result>): Promise<Result> => {
    const { candidates, unknownBefore, log } = request;
    const limits = createRunLimits(retry, clock, unknownBefore);
    if (!limits.mayCallAgain()) throw spentLimitsError();
    let failure: ProviderError | null = null;
    for (const [index, candidate] of candidates.entries()) {
      try {
        const marked = index === 0 ? candidate : markFallback(candidate, candidates[0]);
        return await callProvider(request, marked, limits);
      } catch (error) {
        const isSkipped = error instanceof ImageError && error.code === 'provider_unavailable';
        const isDown = error instanceof ProviderError && isOutage(error.fault);
        if (!isSkipped && !(isDown && limits.mayCallAgain())) throw error;
        if (isDown) failure = error;
        log.warn(
          { provider: candidate.upstream.provider.name, reason: error.message },
          'no picture from this provider',
        );
      }
    }
    throw failure ?? noProviderAvailable(candidates.map(({ upstream }) => upstream));
  };
}

/** The candidate with a `provider_fallback` warning for the record. */
function markFallback(candidate: Candidate, first: Candidate | undefined): Candidate {
  const detail = `${first?.upstream.provider.name} could not make the picture; ${candidate.upstream.provider.name} was asked instead`;
  const warning = { code: 'provider_fallback', detail };
  return { ...candidate, plan: { ...candidate.plan, warnings: [...candidate.plan.warnings, warning] } };
}
