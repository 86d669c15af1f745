import { ProviderError } from '../domain/errors.ts';
import type { Attempt } from '../domain/image.ts';
import type { Clock } from '../ports/clock.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** The calls of one run of an image, at all providers together, and the limits on them. */
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

/** `earlierAttempts` are the calls that the run has made in an earlier process. */
export function createRunLimits(
  { ambiguousRetries, deadlineMs }: RetryPolicy,
  clock: Clock,
  earlierAttempts: readonly Attempt[],
): RunLimits {
  let unknown = earlierAttempts.filter(({ outcome }) => outcome === 'unknown').length;
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

/** The error where the calls of an earlier process have used up the limits of the run. */
export function interruptedCallError(): ProviderError {
  return new ProviderError(
    'interrupted',
    'the service stopped during a call, which may have been billed; no further call is allowed',
  );
}
