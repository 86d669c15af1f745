import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import type { Clock } from './clock.ts';

interface StorageRetry {
  /** Ends the retries: the process stops. */
  readonly stopping: AbortSignal;
  /** Milliseconds of waiting after which the fault is raised after all; without it, the access is never given up. */
  readonly maxWaitMs?: number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

const INITIAL_WAIT_MS = 500;
const MAX_WAIT_MS = 5_000;

/**
 * Retries a read or a write of the storage that must not be given up, as its content was paid for. While the storage is full or
 * unavailable it waits, with exponential backoff from 0.5 to 5 s, until the access succeeds, `maxWaitMs` is over or `stopping`
 * fires; then it tries once more and rethrows. Any other error is rethrown at once, and so is a fault that waiting does not end. An
 * access may take effect and still raise, so it must be safe to repeat. The log has one line when the waiting begins, and one when it
 * was not in vain.
 */
export async function retryWhileStorageFails<T>(
  { stopping, maxWaitMs = Number.POSITIVE_INFINITY, clock, log }: StorageRetry,
  access: () => Promise<T>,
): Promise<T> {
  let waitedMs = 0;
  for (let waitMs = INITIAL_WAIT_MS; ; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
    try {
      const result = await access();
      if (waitedMs > 0) log.info({ waitedMs }, 'the storage works again, and the work goes on');
      return result;
    } catch (error) {
      if (stopping.aborted || waitedMs >= maxWaitMs || !isPassing(error)) throw error;
      if (waitedMs === 0) log.warn({ code: error.code, reason: error.message }, 'storage failed, retrying');
    }
    await clock.sleep(waitMs, stopping).catch(() => undefined);
    waitedMs += waitMs;
  }
}

function isPassing(error: unknown): error is ImageError {
  if (!(error instanceof ImageError) || error.isLasting) return false;
  return error.code === 'storage_full' || error.code === 'storage_unavailable';
}
