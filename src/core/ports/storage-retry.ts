import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import type { Clock } from './clock.ts';
import type { JobSignals } from './job-queue.ts';

/** What a job brings along to have a write tried again. */
export interface StorageRetry {
  readonly signals: Pick<JobSignals, 'stopping'>;
  readonly clock: Clock;
  readonly log: Logger;
}

const INITIAL_WAIT_MS = 500;
const MAX_WAIT_MS = 5_000;

/**
 * Does a write that must not be given up, since what it writes was paid for: while the storage refuses, it waits and tries
 * again, until the process has to end; then once more, and the refusal is the caller's.
 */
export async function retryWhileStorageFails<T>(job: StorageRetry, write: () => Promise<T>): Promise<T> {
  const { stopping } = job.signals;
  for (let waitMs = INITIAL_WAIT_MS; ; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
    try {
      return await write();
    } catch (error) {
      if (stopping.aborted || !isStorageFault(error)) throw error;
      job.log.error(
        { code: error.code, reason: error.message, waitMs },
        'storage refuses to write; holding on and trying again',
      );
    }
    await job.clock.sleep(waitMs, stopping).catch(() => undefined);
  }
}

function isStorageFault(error: unknown): error is ImageError {
  return error instanceof ImageError && (error.code === 'storage_full' || error.code === 'storage_unavailable');
}
