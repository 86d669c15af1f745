/** How long a call may take: until its caller ends it, or its time is over. */

import type { CallOptions } from './easel.ts';

/** The limits of one call. */
export interface Limit {
  /** Fires with an `AbortError` when the call is to end. */
  readonly signal: AbortSignal;
  /** Milliseconds that are left; infinitely many without a timeout. */
  remainingMs(): number;
  /** Lets go of the caller's signal and the clock. */
  end(): void;
}

/** Starts the clock of a call. Raises `AbortError` where the caller's signal has fired already. */
export function openLimit({ signal, timeoutMs }: CallOptions): Limit {
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw new TypeError(`timeoutMs must be a number above 0, in milliseconds; it is ${timeoutMs}`);
  }
  const controller = new AbortController();
  const abort = () => controller.abort(abortError(signal?.reason));
  if (signal?.aborted) throw abortError(signal.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const endsAt = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  const timer = timeoutMs === undefined ? undefined : setTimer(() => controller.abort(timeUp(timeoutMs)), timeoutMs);
  return {
    signal: controller.signal,
    remainingMs: () => endsAt - performance.now(),
    end() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    },
  };
}

/** Runs `work` within the limits of a call. */
export async function within<T>(options: CallOptions, work: (limit: Limit) => Promise<T>): Promise<T> {
  const limit = openLimit(options);
  try {
    return await work(limit);
  } finally {
    limit.end();
  }
}

/** Resolves after `ms`. Raises the `AbortError` of `signal` when it fires before. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimer(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
  });
}

/** Longest that a timer takes in every runtime, some 24 days; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Starts a timer; for longer than timers can be, none. */
export function setTimer(action: () => void, ms: number): ReturnType<typeof setTimeout> | undefined {
  return ms > LONGEST_TIMER_MS ? undefined : setTimeout(action, ms);
}

function timeUp(timeoutMs: number): DOMException {
  return abortError(new DOMException(`the call took longer than ${timeoutMs} ms`, 'TimeoutError'));
}

/** The error of a call that was ended, whatever its signal's reason; that is its cause. */
function abortError(reason: unknown): DOMException {
  if (reason instanceof DOMException && reason.name === 'AbortError') return reason;
  const message = reason instanceof Error ? reason.message : 'the call was ended by its signal';
  const error = new DOMException(message, 'AbortError');
  Object.defineProperty(error, 'cause', { value: reason, configurable: true, writable: true });
  return error;
}
