import type { Clock } from '../ports/clock.ts';
import type { Round } from './round.ts';
import type { RunLimits } from './run-limits.ts';

/**
 * Waits until the job may call one of these providers: its breaker closes, it is the job's turn to probe it, another job has brought a
 * picture, or the retry budget has a retry left. Resolves to false where the limits end the wait first. Rejects with the signal's reason.
 */
export async function untilCallable(
  rounds: readonly Round[],
  limits: RunLimits,
  { deadlineMs, clock, signal }: { readonly deadlineMs: number; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<boolean> {
  limits.begins();
  for (;;) {
    signal.throwIfAborted();
    if (!limits.mayCallAgain()) return false;
    const waitMs = Math.min(...rounds.map((round) => round.waitMs()));
    if (waitMs === 0) return true;
    // Sleeps 1 ms past the deadline, at which a call may still begin.
    const leftMs = deadlineMs - limits.elapsedMs() + 1;
    const changes = rounds.map(({ candidate }) => candidate.upstream.breaker.changed);
    await clock.sleep(Math.min(waitMs, leftMs), AbortSignal.any([signal, ...changes])).catch(() => undefined);
  }
}
