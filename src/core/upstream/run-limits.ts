import { ProviderError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** The calls of one run of an image, at all providers together, and the limits on them. Unknown outcomes count over several runs. */
export interface RunLimits {
  /** Calls of unknown outcome; each may have been billed. */
  readonly unknown: number;
  /** Milliseconds since the first call began; 0 before it. Waiting for that call's slot does not count. */
  elapsedMs(): number;
  /** True while the limits on unknown outcomes and on time allow another call. */
  mayCallAgain(): boolean;
  callBegins(): void;
  callFailed(error: ProviderError): void;
}

/** `unknownBefore` is the number of calls of unknown outcome that already count against the limit. */
export function createRunLimits(
  { ambiguousRetries, deadlineMs }: RetryPolicy,
  clock: Clock,
  unknownBefore: number,
): RunLimits {
  let unknown = unknownBefore;
  let firstCallAt: number | null = null;
  const elapsedMs = () => (firstCallAt === null ? 0 : clock.now() - firstCallAt);

  return {
    get unknown() {
      return unknown;
    },
    elapsedMs,
    mayCallAgain: () => unknown <= ambiguousRetries && elapsedMs() <= deadlineMs,
    callBegins() {
      firstCallAt ??= clock.now();
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
