import type { ProviderFault } from '../domain/errors.ts';

/** The one place where retries are configured: the SDK's own are off. Durations in milliseconds. */
export interface RetryPolicy {
  /** Calls in all, the first one included. */
  readonly maxAttempts: number;
  /** No call begins later than this after the first one. */
  readonly deadlineMs: number;
  /** How many calls may follow one of unknown outcome, each of which may have been billed. */
  readonly ambiguousRetries: number;
}

export interface RetryState {
  readonly fault: ProviderFault;
  /** What the provider asked to wait, or null. */
  readonly retryAfterMs: number | null;
  /** Calls made so far in this run, the failed one included. */
  readonly attempts: number;
  /** Of these, the ones of unknown outcome. */
  readonly unknown: number;
  readonly elapsedMs: number;
}

const BASE_DELAY_MS = 1_000;
const MAX_DELAY_MS = 30_000;

/** Faults of the provider that time may heal. `interrupted`, `timeout` and `empty` are bounded further: they may have been billed. */
const RETRIABLE: ReadonlySet<ProviderFault> = new Set([
  'rate_limited',
  'overloaded',
  'unreachable',
  'interrupted',
  'timeout',
  'empty',
]);

/** True for faults of the provider rather than of the request: another provider may well make the picture. */
export function isOutage(fault: ProviderFault): boolean {
  return RETRIABLE.has(fault) || fault === 'account';
}

/**
 * Milliseconds to wait before the next call, or null when there is to be none.
 * Exponential backoff with full jitter (`random` is in [0, 1)); a wait that the provider names is kept, with up to a tenth
 * on top, so that waiting jobs do not come back as one.
 */
export function retryDelay(state: RetryState, policy: RetryPolicy, random: () => number): number | null {
  const { fault, attempts, unknown, elapsedMs } = state;
  if (!RETRIABLE.has(fault) || attempts >= policy.maxAttempts || unknown > policy.ambiguousRetries) return null;
  const asked = state.retryAfterMs !== null && state.retryAfterMs > 0 ? state.retryAfterMs : null;
  const delay =
    asked === null
      ? random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** (attempts - 1))
      : asked + random() * Math.min(asked / 10, MAX_DELAY_MS);
  return elapsedMs + delay <= policy.deadlineMs ? Math.ceil(delay) : null;
}
