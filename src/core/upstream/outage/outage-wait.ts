import type { Clock } from '../../ports/clock.ts';
import type { RunLimits } from '../run-limits.ts';
import type { Round } from './round.ts';

/** The rounds that the job may call next, in order: those that are not over, up to the first one that is held. */
export function* inReach(rounds: readonly Round[], limits: RunLimits): Generator<Round, void> {
  for (const round of rounds) {
    if (round.standing === 'over') continue;
    yield round;
    if (round.isHeld(limits.leftMs())) return;
  }
}

/**
 * Waits until the job may call one of these providers: its breaker closes, it is the job's turn to probe it, another job has brought a
 * picture, or the retry budget has a retry left. Resolves to false where the limits end the wait first. Rejects with the signal's reason.
 */
export async function untilCallable(
  rounds: readonly Round[],
  limits: RunLimits,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<boolean> {
  limits.begins();
  for (;;) {
    signal.throwIfAborted();
    if (!limits.mayCallAgain()) return false;
    const reached = [...inReach(rounds, limits)];
    const waitMs = Math.min(...reached.map((round) => round.waitMs()));
    if (waitMs === 0) return true;
    // Sleeps 1 ms past the deadline, at which a call may still begin.
    const leftMs = limits.leftMs() + 1;
    const changes = reached.flatMap(({ candidate: { upstream } }) => [upstream.breaker.changed, upstream.line.changed]);
    await clock.sleep(Math.min(waitMs, leftMs), AbortSignal.any([signal, ...changes])).catch(() => undefined);
  }
}
