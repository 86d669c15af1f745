import { ProviderError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** The calls of one run of an image, at all providers together, and the limits on them. Unknown outcomes count over several runs. */
export interface RunLimits {
  /** Calls of unknown outcome; each may have been billed. */
  readonly unknown: number;
  /** Milliseconds since `begins`; 0 before it. */
  elapsedMs(): number;
  /** Milliseconds within which a call may still begin; negative after the deadline. */
  leftMs(): number;
  /** True while no more calls have an unknown outcome than `ambiguousRetries` allows. */
  mayRisk(): boolean;
  /** True while the limits on unknown outcomes and on time allow another call. */
  mayCallAgain(): boolean;
  /** The first call begins, or would if a provider could be called: the deadline counts from here. Waiting for a slot does not count. */
  begins(): void;
  callFailed(error: ProviderError): void;
}

/** `unknownBefore` is the number of calls of unknown outcome that already count against the limit. */
export function createRunLimits(
  { ambiguousRetries, deadlineMs }: RetryPolicy,
  clock: Clock,
  unknownBefore: number,
): RunLimits {
  let unknown = unknownBefore;
  let beganAt: number | null = null;
  const elapsedMs = () => (beganAt === null ? 0 : clock.monotonic() - beganAt);
  const leftMs = () => deadlineMs - elapsedMs();
  const mayRisk = () => unknown <= ambiguousRetries;

  return {
    get unknown() {
      return unknown;
    },
    elapsedMs,
    leftMs,
    mayRisk,
    mayCallAgain: () => mayRisk() && leftMs() >= 0,
    begins() {
      beganAt ??= clock.monotonic();
    },
    callFailed({ outcome }) {
      if (outcome === 'unknown') unknown += 1;
    },
  };
}

/** The error where earlier calls, of this run or of others, have used up the limits. */
export function spentLimitsError(): ProviderError {
  return new ProviderError(
    'interrupted',
    'the outcome of an earlier call is unknown, so that it may have been billed; no further call is allowed',
  );
}
