import { ProviderError } from '../domain/errors.ts';
import type { Attempt, Warning } from '../domain/image.ts';
import type { Clock } from '../ports/clock.ts';
import { inReach, untilCallable } from './outage/outage-wait.ts';
import { createRound, type Round } from './outage/round.ts';
import type { CallProvider, CallRequest } from './provider-calls.ts';
import type { RetryBudget } from './retry-budget.ts';
import { mayWorkElsewhere, type RetryPolicy } from './retry-policy.ts';
import { createRunLimits, type RunLimits, spentLimitsError } from './run-limits.ts';
import { type Candidate, providersStayDown } from './upstreams.ts';

interface FallbackRequest<Result> extends CallRequest<Result> {
  /** In order of preference. */
  readonly candidates: readonly Candidate[];
  /** When the run was requested, in milliseconds since 1970. */
  readonly requestedAt: number;
  /** Calls for the image before this request, those of earlier runs included. */
  readonly earlier: readonly Attempt[];
  /** The present run. */
  readonly run: number;
  /** Calls of unknown outcome that count against `ambiguousRetries` before the first one of this request. */
  readonly unknownBefore: number;
}

/**
 * Calls providers in order until one returns a picture: each with its own retries, the next one only on an outage or where it cannot edit, and not while a retry
 * waits for the retry budget. Where every provider that may make the picture is down, waits for one of them until the deadline and goes on
 * with it; then raises `provider_unavailable`.
 * After a refusal, or after more calls of unknown outcome than are allowed, no other provider is called, and the failure is raised; so
 * is the last one where no provider may be called again.
 */
export type CallWithFallback = <Result>(request: FallbackRequest<Result>) => Promise<Result>;

export function createFallback({
  callProvider,
  retry,
  retryBudget,
  clock,
}: {
  readonly callProvider: CallProvider;
  readonly retry: RetryPolicy;
  readonly retryBudget: RetryBudget;
  readonly clock: Clock;
}): CallWithFallback {
  return async <Result>(request: FallbackRequest<Result>): Promise<Result> => {
    const { candidates, requestedAt, earlier, run, unknownBefore } = request;
    const earlierOfRun = earlier.filter((attempt) => attempt.run === run);
    const limits = createRunLimits(retry, clock, unknownBefore);
    if (!limits.mayRisk()) throw spentLimitsError();
    const job = Symbol();
    for (const { upstream } of candidates) {
      const last = earlierOfRun.findLast(({ provider }) => provider === upstream.provider.name);
      // Jobs that waited out an outage together go on after a restart: the first of them to fail again has not failed alone.
      if (last?.outcome === 'failed') upstream.evidence.callFailed(job, monotonicAt(endOf(last)));
    }
    const rounds = candidates.map((candidate, index) =>
      createRound({
        candidate: index === 0 ? candidate : markFallback(candidate, candidates[0]),
        job,
        requestedAt: monotonicAt(requestedAt),
        callsBefore: callsOfOpenRound(earlierOfRun, candidate, retry.maxAttempts),
        retryBudget,
      }),
    );
    try {
      return await callInTurn(request, rounds, limits);
    } finally {
      for (const round of rounds) round.leaveLine();
    }
  };

  /** A time in milliseconds since 1970 as one of the clock's `monotonic`; now, where the clock was set back since. */
  function monotonicAt(time: number): number {
    return clock.monotonic() - Math.max(0, clock.now() - time);
  }

  async function callInTurn<Result>(
    request: FallbackRequest<Result>,
    rounds: readonly Round[],
    limits: RunLimits,
  ): Promise<Result> {
    const { earlier, signal, log } = request;
    let failure: ProviderError | null = null;
    for (;;) {
      for (const round of inReach(rounds, limits)) {
        if (round.waitMs() > 0) continue;
        // A long call here must not keep other jobs from probing the other providers.
        for (const other of rounds) if (other !== round) other.leaveLine();
        try {
          const called = await callProvider(request, round, limits);
          if (called !== null) return called.result;
        } catch (error) {
          if (!(error instanceof ProviderError && mayWorkElsewhere(error.fault)) || !limits.mayRisk()) throw error;
          failure = error;
          const { provider, breaker } = round.candidate.upstream;
          // The log has said already that a provider is down.
          const level = breaker.openedBy() === null ? 'warn' : 'info';
          log[level](
            { provider: provider.name, fault: error.fault, reason: error.reason },
            'no picture from this provider',
          );
          if (!limits.mayCallAgain()) break;
        }
      }
      const left = rounds.filter(({ standing }) => standing !== 'over');
      if (failure !== null && left.length === 0) throw failure;
      if (await untilCallable(left, limits, { clock, signal })) continue;
      if (failure !== null && !left.some((round) => round.isDown())) throw failure;
      const upstreams = left.map(({ candidate }) => candidate.upstream);
      throw providersStayDown(upstreams, failure, earlier);
    }
  }
}

/** In milliseconds since 1970. */
function endOf({ startedAt, durationMs }: Attempt): number {
  return Date.parse(startedAt) + (durationMs ?? 0);
}

/** Calls of an earlier process in a round that it did not finish. A round that was spent was waiting for a new one. */
function callsOfOpenRound(earlier: readonly Attempt[], { upstream }: Candidate, maxAttempts: number): number {
  const calls = earlier.filter(({ provider }) => provider === upstream.provider.name).length;
  return calls < maxAttempts ? calls : 0;
}

/** The candidate with a `provider_fallback` warning for the record. */
function markFallback(candidate: Candidate, first: Candidate | undefined): Candidate {
  const detail = `${first?.upstream.provider.name} could not make the picture; ${candidate.upstream.provider.name} was asked instead`;
  const warning: Warning = { code: 'provider_fallback', detail };
  return { ...candidate, plan: { ...candidate.plan, warnings: [...candidate.plan.warnings, warning] } };
}
