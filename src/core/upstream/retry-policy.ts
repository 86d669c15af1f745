import type { ProviderFault } from '../domain/errors.ts';
import { backoff } from './backoff.ts';

/** The limits on the calls of one run: the only ones, since the retries of the provider's SDK are off. Durations in milliseconds. */
export interface RetryPolicy {
  /** Calls to one provider, the first one included. */
  readonly maxAttempts: number;
  /** No call to any provider begins later than this after the first one began, or would have begun if a provider had worked. */
  readonly deadlineMs: number;
  /**
   * With more calls of unknown outcome than this, no further call is made: each may have been billed. They count at all providers together,
   * and over all runs since the latest that a caller began by a retry (`Image.allowanceFrom`).
   */
  readonly ambiguousRetries: number;
}

/** What `retryDelay` has to know of a failed call and of the run so far. */
export interface RetryState {
  readonly fault: ProviderFault;
  /** The provider's Retry-After in milliseconds, or null. */
  readonly retryAfterMs: number | null;
  /** Calls to this provider so far in this round, the failed one included. */
  readonly attempts: number;
  /** Calls of unknown outcome that count against `ambiguousRetries`. */
  readonly unknown: number;
  /** Milliseconds since the deadline began to count; time in an earlier process does not. */
  readonly elapsedMs: number;
}

const BACKOFF = { baseMs: 1_000, maxMs: 30_000 } as const;

/**
 * Faults that a later call may not meet. `gateway`, `interrupted`, `timeout` and `empty` may have been billed: `ambiguousRetries` limits
 * them too.
 */
const RETRIABLE: ReadonlySet<ProviderFault> = new Set([
  'rate_limited',
  'overloaded',
  'unreachable',
  'gateway',
  'interrupted',
  'timeout',
  'empty',
]);

/** True for faults of the provider rather than of the request: another provider may well make the picture. */
export function isOutage(fault: ProviderFault): boolean {
  return RETRIABLE.has(fault) || fault === 'account';
}

/** True where the next provider is asked: after an outage, and where this one has turned out not to edit pictures. */
export function mayWorkElsewhere(fault: ProviderFault): boolean {
  return isOutage(fault) || fault === 'edits_refused';
}

/** True for an outage that has certainly cost nothing. */
export function isUnbilledOutage(fault: ProviderFault): boolean {
  return fault === 'unreachable' || fault === 'overloaded';
}

/** Milliseconds to wait before the next call (`backoff`), or null where there must be none. `random` is in [0, 1). */
export function retryDelay(state: RetryState, policy: RetryPolicy, random: () => number): number | null {
  const { fault, retryAfterMs, attempts, unknown, elapsedMs } = state;
  if (!RETRIABLE.has(fault) || attempts >= policy.maxAttempts || unknown > policy.ambiguousRetries) return null;
  const delayMs = backoff({ ...BACKOFF, tries: attempts, retryAfterMs }, random);
  return elapsedMs + delayMs <= policy.deadlineMs ? delayMs : null;
}
