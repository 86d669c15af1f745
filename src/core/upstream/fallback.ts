import pRetry, { AbortError, type RetryContext } from 'p-retry';
import type { Logger } from 'pino';
import { ImageError, ProviderError, type ProviderFault } from '../domain/errors.ts';
import type { Attempt } from '../domain/image.ts';
import type { Clock } from '../ports/clock.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { Admission, JobOutcome } from './circuit-breaker.ts';
import type { RetryBudget } from './retry-budget.ts';
import { type RetryPolicy, retryDelay } from './retry-policy.ts';
import { type Candidate, noProviderAvailable } from './upstreams.ts';

export interface FallbackDeps {
  readonly retry: RetryPolicy;
  readonly retryBudget: RetryBudget;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

export interface FallbackRequest<Result> {
  /** In the order in which they are asked. */
  readonly candidates: readonly Candidate[];
  /** Calls that this run of the image has made before, in an earlier process. */
  readonly earlierAttempts: readonly Attempt[];
  readonly signal: AbortSignal;
  /** Makes one call. */
  readonly attempt: (candidate: Candidate) => Promise<Result>;
}

/** Faults of the provider, not of the request: another provider may well make the picture. */
const OUTAGES: ReadonlySet<ProviderFault> = new Set([
  'account',
  'rate_limited',
  'overloaded',
  'unreachable',
  'interrupted',
  'timeout',
  'empty',
]);

/** What one run of one image has done so far, with all providers together. */
interface Progress {
  /** Calls whose outcome is unknown: each may have been billed, whoever was asked. */
  unknown: number;
  /** When the first call began; the deadline counts from here, not from the time that was spent waiting for a turn. */
  firstCallAt: number | null;
}

/**
 * Asks the providers in order until one makes the picture: each with its own retries, the next one only on an outage
 * (never after a refusal, never when more calls of unknown outcome were made than are allowed). Providers that are down
 * are passed over; `provider_unavailable` is raised where that leaves none. Else raises the last provider's error.
 */
export async function callWithFallback<Result>(deps: FallbackDeps, request: FallbackRequest<Result>): Promise<Result> {
  const { candidates, earlierAttempts: past } = request;
  const progress: Progress = {
    unknown: past.filter(({ outcome }) => outcome === 'unknown').length,
    firstCallAt: null,
  };
  if (!mayCallAgain(deps, progress)) throw interruptedCallError();
  let failure: ProviderError | null = null;
  for (const [index, candidate] of candidates.entries()) {
    try {
      return await callProvider(
        deps,
        request,
        index === 0 ? candidate : markFallback(candidate, candidates[0]),
        progress,
      );
    } catch (error) {
      const skipped = error instanceof ImageError && error.code === 'provider_unavailable';
      const isOutage = error instanceof ProviderError && OUTAGES.has(error.fault);
      if (!skipped && !(isOutage && mayCallAgain(deps, progress))) throw error;
      if (isOutage) failure = error;
      deps.log.warn({ provider: candidate.upstream.provider.name, reason: error.message }, 'provider could not help');
    }
  }
  throw failure ?? noProviderAvailable(candidates.map(({ upstream }) => upstream));
}

/** One provider, asked until it makes the picture or there is no sense in asking it again. */
async function callProvider<Result>(
  deps: FallbackDeps,
  { earlierAttempts: past, signal, attempt }: FallbackRequest<Result>,
  candidate: Candidate,
  progress: Progress,
): Promise<Result> {
  const { clock, retryBudget, telemetry, log } = deps;
  const { provider, breaker, throttle } = candidate.upstream;
  let attempts = past.filter((one) => one.provider === provider.name).length;
  if (attempts >= deps.retry.maxAttempts) throw interruptedCallError();
  if (breaker.waitMs() > 0) throw noProviderAvailable([candidate.upstream]);

  let admission: Admission | null = null;
  let outcome: JobOutcome = 'unclear';
  let failure: ProviderError | null = null;

  const call = async (): Promise<Result> => {
    using _turn = await throttle.acquire(signal);
    // The turn may have been long in coming: only now is it known whether there is sense in a call.
    if (failure) {
      if (breaker.openedBy() !== null || !mayCallAgain(deps, progress)) throw new AbortError(failure);
      telemetry.providerRetry(provider.name);
    } else {
      admission = breaker.admit();
      if (admission === null) throw noProviderAvailable([candidate.upstream]);
      retryBudget.firstCall();
    }
    progress.firstCallAt ??= clock.now();
    attempts += 1;
    const result = await attempt(candidate);
    outcome = 'made';
    return result;
  };

  const recordFailure = ({ error }: RetryContext): void => {
    if (!(error instanceof ProviderError)) return;
    failure = error;
    outcome = jobOutcomeOf(error);
    if (error.fault === 'account') telemetry.accountFault(provider.name);
    if (error.outcome === 'unknown') progress.unknown += 1;
  };

  const waitForRetry = async ({ error }: RetryContext): Promise<boolean> => {
    if (!(error instanceof ProviderError)) return false;
    const delayMs = nextDelay(deps, error, attempts, progress);
    // Open: this was a probe, or other jobs have found the provider down meanwhile.
    if (delayMs === null || breaker.openedBy() !== null || !retryBudget.takeRetry()) return false;
    const { fault, message: reason } = error;
    log.warn({ provider: provider.name, attempts, fault, delayMs, reason }, 'call failed, trying again');
    await clock.sleep(delayMs, signal);
    return true;
  };

  try {
    return await pRetry(call, {
      retries: deps.retry.maxAttempts - attempts - 1,
      // All waiting is done above: p-retry's own would come on top of it. It is not given the signal either, as it would
      // throw away a picture that arrives after the signal has fired.
      minTimeout: 0,
      onFailedAttempt: recordFailure,
      shouldRetry: waitForRetry,
    });
  } finally {
    if (admission !== null) breaker.jobEnded(admission, outcome);
  }
}

/** A provider that says when to come again is at work: jobs wait for it, and it is not taken to be down. */
function jobOutcomeOf({ fault, retryAfterMs }: ProviderError): JobOutcome {
  const busy = fault === 'rate_limited' && retryAfterMs !== null;
  return OUTAGES.has(fault) && !busy ? fault : 'unclear';
}

function nextDelay(
  { retry, clock, random }: FallbackDeps,
  { fault, retryAfterMs }: ProviderError,
  attempts: number,
  { unknown, firstCallAt }: Progress,
): number | null {
  const elapsedMs = clock.now() - (firstCallAt ?? clock.now());
  return retryDelay({ fault, retryAfterMs, attempts, unknown, elapsedMs }, retry, random);
}

/** Whether any further call is allowed at all. */
function mayCallAgain({ retry, clock }: FallbackDeps, { unknown, firstCallAt }: Progress): boolean {
  const elapsedMs = firstCallAt === null ? 0 : clock.now() - firstCallAt;
  return unknown <= retry.ambiguousRetries && elapsedMs <= retry.deadlineMs;
}

/** The same candidate, saying in the record that it was not the first choice. */
function markFallback(candidate: Candidate, first: Candidate | undefined): Candidate {
  const detail = `${first?.upstream.provider.name} could not make the picture; ${candidate.upstream.provider.name} was asked instead`;
  const warning = { code: 'provider_fallback', detail };
  return { ...candidate, plan: { ...candidate.plan, warnings: [...candidate.plan.warnings, warning] } };
}

function interruptedCallError(): ProviderError {
  return new ProviderError(
    'interrupted',
    'the service stopped during a call, which may have been billed; no further call is allowed',
  );
}
