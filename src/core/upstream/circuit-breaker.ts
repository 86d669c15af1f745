import type { ProviderFault } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { createChangeSignal } from './change-signal.ts';

/**
 * How the breaker lets a job in. `call`: it is closed. `probe`: the provider is down, and this job finds out with a single call
 * whether it works again.
 */
export type Admission = 'call' | 'probe';

/** `probeOnly`: the job waits out an outage, so that it is let in for a probe only, even where the breaker is closed. */
interface AdmissionKind {
  readonly probeOnly: boolean;
}

const ANY_ADMISSION: AdmissionKind = { probeOnly: false };

/**
 * How a job ended for the breaker: `made` with a picture, the provider's fault, or `unclear` where the end says nothing about the
 * provider (a refused prompt, a wrong request, a cancelled call).
 */
export type JobOutcome = 'made' | 'unclear' | ProviderFault;

/**
 * Circuit breaker of one provider. It counts failed jobs, not calls, so that one job can still use all its attempts. It also keeps the
 * schedule of probes.
 */
export interface CircuitBreaker {
  /** Milliseconds until `admit` lets a job in; 0 when it does so now. */
  waitMs(kind?: AdmissionKind): number;
  /** Lets a job in, which then has to call `jobEnded`; null while no job may call. */
  admit(kind?: AdmissionKind): Admission | null;
  /** Reports how an admitted job ended with this provider. A failed probe counts as a failed job. `reason` is for the log. */
  jobEnded(admission: Admission, outcome: JobOutcome, reason?: string | null): void;
  /** The latest fault that keeps it open, or null while it is closed. */
  openedBy(): ProviderFault | null;
  /** When it last opened or closed, or was made, in milliseconds since 1970. */
  turnedAt(): number;
  /** When the probe began that is under way, the first of several, in milliseconds since 1970; null without one. */
  probingSince(): number | null;
  /** Begins the schedule of probes for a job that waits, even where the breaker is closed; one that has begun goes on. */
  beginProbes(): void;
  /** Fires when a job has ended; a new signal then takes its place. */
  readonly changed: AbortSignal;
}

/**
 * Called when the breaker has opened, with the fault that opened it; again when a fault of the account takes the place of another; and
 * with null when it has closed.
 */
export type OnTurn = (openedBy: ProviderFault | null, reason: string | null) => void;

/** Failed jobs in a row that open it. An account fault does so at once: no call works until the operator acts. */
const FAILURES_TO_OPEN = 5;
const FIRST_PROBE_DELAY_MS = 5_000;
const MAX_PROBE_INTERVAL_MS = 30_000;

/**
 * Creates a closed breaker. Once it is open, or a job waits, it admits the first probe after 5 s and later ones after 10, 20 and then
 * always 30 s, counted from the beginning of the previous probe: a probe that hangs does not delay the next.
 */
export function createCircuitBreaker(clock: Clock, onTurn: OnTurn = () => undefined): CircuitBreaker {
  let failures = 0;
  let openedBy: ProviderFault | null = null;
  let probes: { nextAt: number; gapMs: number } | null = null;
  let turnedAt = clock.now();
  let probing: number[] = [];
  const change = createChangeSignal();

  function beginProbes(): void {
    probes ??= { nextAt: clock.monotonic() + FIRST_PROBE_DELAY_MS, gapMs: FIRST_PROBE_DELAY_MS };
  }

  function waitMs({ probeOnly }: AdmissionKind = ANY_ADMISSION): number {
    if (probes === null || (openedBy === null && !probeOnly)) return 0;
    return Math.max(0, probes.nextAt - clock.monotonic());
  }

  return {
    waitMs,
    openedBy: () => openedBy,
    turnedAt: () => turnedAt,
    probingSince: () => probing[0] ?? null,
    beginProbes,
    get changed() {
      return change.next;
    },
    admit(kind = ANY_ADMISSION) {
      if (probes === null || (openedBy === null && !kind.probeOnly)) return 'call';
      if (waitMs(kind) > 0) return null;
      probes.gapMs = Math.min(2 * probes.gapMs, MAX_PROBE_INTERVAL_MS);
      probes.nextAt = clock.monotonic() + probes.gapMs;
      probing.push(clock.now());
      return 'probe';
    },
    jobEnded(admission, outcome, reason = null) {
      const before = openedBy;
      // Which of several has ended is not known: the one that began first is taken for it.
      if (admission === 'probe') probing = probing.slice(1);
      if (outcome === 'made') {
        failures = 0;
        openedBy = null;
        probes = null;
      } else if (outcome === 'unclear') {
        // An inconclusive probe: let the next job probe at once.
        if (probes !== null && admission === 'probe') probes.nextAt = clock.monotonic();
      } else {
        failures += 1;
        if (openedBy !== null || outcome === 'account' || failures >= FAILURES_TO_OPEN) {
          openedBy = outcome;
          beginProbes();
        }
      }
      if ((openedBy === null) !== (before === null)) turnedAt = clock.now();
      if (openedBy !== before && (before === null || openedBy === null || openedBy === 'account')) {
        onTurn(openedBy, reason);
      }
      change.fire();
    },
  };
}
