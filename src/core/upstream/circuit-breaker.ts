import type { ProviderFault } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';

/** `probe`: the provider is taken to be down, and this one job may find out whether it still is. It gets one call only. */
export type Admission = 'call' | 'probe';

/**
 * With a picture, with a fault that is the provider's own, or in a way that says nothing about the provider: a refused
 * prompt, a wrong request, a call that was cancelled.
 */
export type JobOutcome = 'made' | 'unclear' | ProviderFault;

/** Keeps jobs away from a provider that is down. It counts jobs, not calls, so that one job alone can use all its attempts. */
export interface CircuitBreaker {
  /** Milliseconds until a job is let in; 0 when one would be now. */
  waitMs(): number;
  /** Lets a job in, which then has to report its end; null while no job may call. */
  admit(): Admission | null;
  /** How a job that was let in ended with this provider. */
  jobEnded(admission: Admission, end: JobOutcome): void;
  /** The fault that opened it, or null while it is closed. */
  openedBy(): ProviderFault | null;
}

/** Failed jobs in a row that open it. An account fault does so at once: nothing will work until the operator acts. */
const FAILURES_TO_OPEN = 5;
const FIRST_PROBE_DELAY_MS = 5_000;
const MAX_PROBE_INTERVAL_MS = 30_000;

/**
 * A breaker that is closed at first. Open, it lets a first probe in after 5 s and later ones after 10, 20 and then always
 * 30 s, counted from the beginning of the one before: a probe that hangs does not hold up the next.
 */
export function createCircuitBreaker(clock: Clock): CircuitBreaker {
  let failures = 0;
  let open: { fault: ProviderFault; nextProbeAt: number; gapMs: number } | null = null;

  function waitMs(): number {
    if (open === null) return 0;
    const left = open.nextProbeAt - clock.now();
    // A clock that was set back must not keep it open for ever.
    return left > MAX_PROBE_INTERVAL_MS ? 0 : Math.max(0, left);
  }

  return {
    waitMs,
    openedBy: () => open?.fault ?? null,
    admit() {
      if (open === null) return 'call';
      if (waitMs() > 0) return null;
      open.gapMs = Math.min(2 * open.gapMs, MAX_PROBE_INTERVAL_MS);
      open.nextProbeAt = clock.now() + open.gapMs;
      return 'probe';
    },
    jobEnded(admission, end) {
      if (end === 'made') {
        failures = 0;
        open = null;
      } else if (end === 'unclear') {
        // A probe that has found nothing out: the next job may try.
        if (open !== null && admission === 'probe') open.nextProbeAt = clock.now();
      } else {
        failures += 1;
        if (open !== null) open.fault = end;
        else if (end === 'account' || failures >= FAILURES_TO_OPEN) {
          open = { fault: end, nextProbeAt: clock.now() + FIRST_PROBE_DELAY_MS, gapMs: FIRST_PROBE_DELAY_MS };
        }
      }
    },
  };
}
