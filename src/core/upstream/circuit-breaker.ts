import type { ProviderFault } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';

/**
 * How the breaker lets a job in. `call`: it is closed. `probe`: it is open, and this job finds out with a single call whether the
 * provider works again.
 */
export type Admission = 'call' | 'probe';

/**
 * How a job ended for the breaker: `made` with a picture, the provider's fault, or `unclear` where the end says nothing about the
 * provider (a refused prompt, a wrong request, a cancelled call).
 */
export type JobOutcome = 'made' | 'unclear' | ProviderFault;

/** Circuit breaker of one provider. It counts failed jobs, not calls, so that one job can still use all its attempts. */
export interface CircuitBreaker {
  /** Milliseconds until `admit` lets a job in; 0 when it does so now. */
  waitMs(): number;
  /** Lets a job in, which then has to call `jobEnded`; null while no job may call. */
  admit(): Admission | null;
  /** Reports how an admitted job ended with this provider. */
  jobEnded(admission: Admission, outcome: JobOutcome): void;
  /** The latest fault that keeps it open, or null while it is closed. */
  openedBy(): ProviderFault | null;
}

/** Failed jobs in a row that open it. An account fault does so at once: no call works until the operator acts. */
const FAILURES_TO_OPEN = 5;
const FIRST_PROBE_DELAY_MS = 5_000;
const MAX_PROBE_INTERVAL_MS = 30_000;

/**
 * Creates a closed breaker. Once open, it admits the first probe after 5 s and later ones after 10, 20 and then always 30 s, counted
 * from the beginning of the previous probe: a probe that hangs does not delay the next.
 */
export function createCircuitBreaker(clock: Clock): CircuitBreaker {
  let failures = 0;
  let open: { fault: ProviderFault; nextProbeAt: number; gapMs: number } | null = null;

  function waitMs(): number {
    if (open === null) return 0;
    const left = open.nextProbeAt - clock.now();
    // A clock that was set back must not keep the breaker open for ever.
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
    jobEnded(admission, outcome) {
      if (outcome === 'made') {
        failures = 0;
        open = null;
      } else if (outcome === 'unclear') {
        // An inconclusive probe: let the next job probe at once.
        if (open !== null && admission === 'probe') open.nextProbeAt = clock.now();
      } else {
        failures += 1;
        if (open !== null) open.fault = outcome;
        else if (outcome === 'account' || failures >= FAILURES_TO_OPEN) {
          open = { fault: outcome, nextProbeAt: clock.now() + FIRST_PROBE_DELAY_MS, gapMs: FIRST_PROBE_DELAY_MS };
        }
      }
    },
  };
}
