import {
  type CheckOutcome,
  forEachHealthCheck,
  HEALTH_CHECKS,
  HEALTH_STATUSES,
  type HealthCheckName,
  type HealthStatus,
} from '../../api/health.ts';
import type { Clock } from '../../core/ports/clock.ts';

/** The health checks. One that rejects counts as `error`, with the error's message as its detail. */
export type HealthChecks = Readonly<Record<HealthCheckName, () => Promise<CheckOutcome>>>;

/** The state of one checked part of the service. */
interface CheckState extends CheckOutcome {
  /** When it took this status, in milliseconds since 1970. */
  readonly since: number;
}

/** The state of the whole service. */
export interface HealthState extends CheckOutcome {
  readonly checks: Readonly<Record<HealthCheckName, CheckState>>;
  readonly uptimeMs: number;
}

export interface Health {
  /** The state of every check; the worst one gives the status. */
  report(): Promise<HealthState>;
  /** The report for load balancers: its status is `error` while the service stops or would refuse new work. */
  readiness(): Promise<HealthState>;
}

interface HealthOptions {
  readonly checks: HealthChecks;
  readonly clock: Clock;
  readonly stopping: () => boolean;
  /**
   * True when a job could call some provider now, including one that was down and may be probed again. Less strict than the
   * providers check, since only jobs probe: without traffic, a provider that was down would count as down for ever.
   */
  readonly providerUsable: () => boolean;
}

/** How long a result is reused, in milliseconds. */
const CACHE_MS = 1_000;
/** How long a check may take, in milliseconds. */
const CHECK_TIMEOUT_MS = 2_000;

/** Runs the checks when asked, each at most once a second. An answer takes at most 2 s: a check that takes longer is an `error`. */
export function createHealth({ checks, clock, stopping, providerUsable }: HealthOptions): Health {
  const startedAt = clock.monotonic();
  const stateOf = forEachHealthCheck((name) => cachedCheck(checks[name], clock));

  async function report(): Promise<HealthState> {
    const states = await Promise.all(HEALTH_CHECKS.map(async (name) => [name, await stateOf[name]()] as const));
    return {
      status: worst(states.map(([, state]) => state)),
      checks: Object.fromEntries(states) as HealthState['checks'],
      uptimeMs: clock.monotonic() - startedAt,
    };
  }

  async function readiness(): Promise<HealthState> {
    const full = await report();
    if (stopping()) return { ...full, status: 'error', detail: 'the service is stopping' };
    if (!providerUsable()) return { ...full, status: 'error', detail: 'no provider takes work at the moment' };
    const { storage, database, queue } = full.checks;
    return { ...full, status: worst([storage, database, queue]) };
  }

  return { report, readiness };
}

function worst(states: readonly CheckOutcome[]): HealthStatus {
  return HEALTH_STATUSES.findLast((status) => states.some((state) => state.status === status)) ?? 'ok';
}

/** A check that reuses its last result for `CACHE_MS` and remembers since when its status has been the same. */
function cachedCheck(check: () => Promise<CheckOutcome>, clock: Clock): () => Promise<CheckState> {
  let last: CheckState | null = null;
  let checkedAt = 0;
  let refreshing: Promise<CheckState> | null = null;
  let running: Promise<CheckOutcome> | null = null;

  /** Starts the check, or joins the one that still runs: a hanging check is never started twice. */
  function run(): Promise<CheckOutcome> {
    running ??= Promise.try(check)
      .catch((error: unknown): CheckOutcome => ({ status: 'error', detail: messageOf(error) }))
      .finally(() => {
        running = null;
      });
    return running;
  }

  async function refresh(): Promise<CheckState> {
    const outcome = await withTimeout(run(), clock);
    checkedAt = clock.monotonic();
    last = { ...outcome, since: last?.status === outcome.status ? last.since : clock.now() };
    return last;
  }

  return () => {
    if (last !== null && clock.monotonic() - checkedAt < CACHE_MS) return Promise.resolve(last);
    refreshing ??= refresh().finally(() => {
      refreshing = null;
    });
    return refreshing;
  };
}

async function withTimeout(work: Promise<CheckOutcome>, clock: Clock): Promise<CheckOutcome> {
  const settled = new AbortController();
  const late = clock
    .sleep(CHECK_TIMEOUT_MS, settled.signal)
    .then((): CheckOutcome => ({ status: 'error', detail: `no answer within ${CHECK_TIMEOUT_MS / 1000} s` }));
  try {
    return await Promise.race([work, late]);
  } finally {
    settled.abort();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
