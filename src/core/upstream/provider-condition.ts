/** What is known of a provider's state, for operators. */

import { ProviderError, type ProviderFault } from '../domain/errors.ts';
import type { ProviderFailure, ProviderState } from '../domain/provider-state.ts';
import type { Clock } from '../ports/clock.ts';
import { type Provider, wrapProvider } from '../ports/provider.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';
import type { Throttle } from './throttle.ts';

/** The state that breaker and throttle make together. */
export function conditionOf(
  { breaker, throttle }: { readonly breaker: CircuitBreaker; readonly throttle: Throttle },
  clock: Clock,
): Pick<ProviderState, 'state' | 'since' | 'until'> {
  if (breaker.openedBy() !== null) {
    const probing = breaker.probingSince();
    if (probing !== null) return { state: 'half_open', since: timeOf(probing), until: null };
    const waitMs = breaker.waitMs();
    const until = waitMs > 0 ? timeOf(clock.now() + waitMs) : null;
    return { state: 'open', since: timeOf(breaker.turnedAt()), until };
  }
  const pause = throttle.lastPause();
  if (pause !== null && throttle.pausedMs() > 0)
    return { state: 'paused', since: timeOf(pause.from), until: timeOf(pause.until) };
  return { state: 'closed', since: timeOf(Math.max(breaker.turnedAt(), pause?.until ?? 0)), until: null };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** Faults that say nothing about the provider: of the prompt, the request or the caller. */
const OF_THE_REQUEST: ReadonlySet<ProviderFault> = new Set([
  'refused',
  'rejected',
  'parameter_refused',
  'edits_refused',
  'cancelled',
]);
/** Some servers answer with pages of text. */
const MAX_DETAIL = 300;

interface FailureNote {
  /** The provider, whose failed calls are noted. */
  watch(provider: Provider): Provider;
  /** The latest one; null where there was none. */
  last(): ProviderFailure | null;
}

/** Notes the latest failed call that says something about the provider. */
export function createFailureNote(clock: Pick<Clock, 'now'>): FailureNote {
  let last: ProviderFailure | null = null;

  function note(error: unknown): void {
    if (!(error instanceof ProviderError) || error.isOurs || OF_THE_REQUEST.has(error.fault)) return;
    const detail = error.reason.length > MAX_DETAIL ? `${error.reason.slice(0, MAX_DETAIL)}…` : error.reason;
    last = { fault: error.fault, detail: detail.toWellFormed(), at: new Date(clock.now()).toISOString() };
  }

  return {
    last: () => last,
    watch: (provider) =>
      wrapProvider(provider, {
        async generate(call, options) {
          try {
            return await provider.generate(call, options);
          } catch (error) {
            note(error);
            throw error;
          }
        },
      }),
  };
}
