import type { Clock } from './clock.ts';
import type { LockMode, Locks } from './locks.ts';

/** How a lock is waited for. */
interface LockWait {
  readonly mode?: LockMode;
  readonly clock: Pick<Clock, 'sleep'>;
  /** The longest pause between two tries, in milliseconds. */
  readonly maxPauseMs?: number;
  readonly signal?: AbortSignal;
}

/** The first pause, in milliseconds; each further one is twice as long. */
const FIRST_PAUSE_MS = 5;
const MAX_PAUSE_MS = 100;

/**
 * Takes the lock as soon as that is possible, asking again and again. Raises what `Locks.tryLock` raises, and the signal's reason, or the
 * `AbortError` of the clock, where it fires during a wait.
 */
export async function takeLock(
  locks: Locks,
  name: string,
  { mode = 'exclusive', clock, maxPauseMs = MAX_PAUSE_MS, signal }: LockWait,
): Promise<AsyncDisposable> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
    const lock = await locks.tryLock(name, mode);
    if (lock !== null) return lock;
    await clock.sleep(Math.min(pauseMs, maxPauseMs), signal);
  }
}
