import type { Clock } from '../ports/clock.ts';
import type { Locks } from '../ports/locks.ts';
import type { RecordStore } from '../ports/record-store.ts';
import type { Cleanup } from './cleanup.ts';

interface ScheduledCleanupDeps {
  readonly cleanup: Cleanup;
  readonly records: Pick<RecordStore, 'lastCleanup'>;
  readonly locks: Locks;
  /** Milliseconds between two cleanups. Each process asks as often. */
  readonly intervalMs: number;
  readonly clock: Pick<Clock, 'now'>;
}

/** The part of the interval in which a cleanup makes another one unnecessary; below 1, since the time counts from its end. */
const FRESH_PART = 0.9;

/**
 * The scheduled cleanup of several processes over the same records: of those that ask within an interval, one cleans up. The others find
 * that it does, or has. A cleanup that ended within the last nine tenths of the interval, by whichever way it was asked for, counts; a dry
 * run does not. Their clocks should differ by less than a tenth of the interval.
 */
export function createScheduledCleanup({
  cleanup,
  records,
  locks,
  intervalMs,
  clock,
}: ScheduledCleanupDeps): () => Promise<void> {
  return async () => {
    await using turn = await locks.tryLock('scheduled cleanup');
    if (turn === null) return;
    const last = await records.lastCleanup();
    const isFresh = last !== null && !last.dryRun && clock.now() - Date.parse(last.time) < FRESH_PART * intervalMs;
    if (!isFresh) await cleanup({});
  };
}
