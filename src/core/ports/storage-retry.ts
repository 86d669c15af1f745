import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import type { Clock } from './clock.ts';

interface StorageRetry {
  /** Ends the retries: the process stops. */
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
}

const INITIAL_WAIT_MS = 500;
const MAX_WAIT_MS = 5_000;

/**
 * Retries a read or a write of the storage that must not be given up, as its content was paid for. While the storage is full or
 * unavailable it waits, with exponential backoff from 0.5 to 5 s, until the access succeeds or `stopping` fires; then it tries
 * once more and rethrows. Any other error is rethrown at once. An access may take effect and still raise, so it must be safe to
 * repeat.
 */
export async function retryWhileStorageFails<T>(
  { stopping, clock, log }: StorageRetry,
  access: () => Promise<T>,
): Promise<T> {
  for (let waitMs = INITIAL_WAIT_MS; ; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
    try {
      return await access();
    } catch (error) {
      if (stopping.aborted || !isStorageFault(error)) throw error;
      log.error({ code: error.code, reason: error.message, waitMs }, 'storage failed, retrying');
    }
    await clock.sleep(waitMs, stopping).catch(() => undefined);
  }
}

function isStorageFault(error: unknown): error is ImageError {
  return error instanceof ImageError && (error.code === 'storage_full' || error.code === 'storage_unavailable');
}
