import type { Clock } from '../../core/ports/clock.ts';

/** `degraded` still works, `error` does not. */
export type HealthStatus = 'ok' | 'degraded' | 'error';

export interface CheckOutcome {
  readonly status: HealthStatus;
  readonly detail?: string;
}

/** What is looked at. A check that rejects counts as `error` with its message. */
export interface HealthChecks {
  readonly storage: () => Promise<CheckOutcome>;
  readonly database: () => Promise<CheckOutcome>;
  readonly queue: () => Promise<CheckOutcome>;
  readonly providers: () => Promise<CheckOutcome>;
}

export interface CheckReport extends CheckOutcome {
  /** ISO 8601: when it took this status. */
  readonly since: string;
}

export interface HealthReport extends CheckOutcome {
  readonly checks: Record<keyof HealthChecks, CheckReport>;
  readonly version: string;
  readonly uptimeSeconds: number;
}

export interface Health {
  /** Everything, the worst check giving the status. */
  report(): Promise<HealthReport>;
  /** Whether to send work here: `error` while the service stops, or would refuse it. */
  readiness(): Promise<HealthReport>;
}

export interface HealthOptions {
  readonly checks: HealthChecks;
  readonly clock: Clock;
  readonly version: string;
  readonly stopping: () => boolean;
  /**
   * Whether a job could call some provider now. Less strict than the check: one that is down is tried again by the next job
   * every now and then, and without any it would stay down.
   */
  readonly providerUsable: () => boolean;
}

/** How old an answer may be, in milliseconds. */
const CACHE_MS = 1_000;
/** How long a check may take, in milliseconds. */
const CHECK_TIMEOUT_MS = 2_000;

/** Runs the checks when asked, at most once a second, and never for longer than two. */
export function createHealth({ checks, clock, version, stopping, providerUsable }: HealthOptions): Health {
  const startedAt = clock.now();
  const storage = cachedCheck(checks.storage, clock);
  const database = cachedCheck(checks.database, clock);
  const queue = cachedCheck(checks.queue, clock);
  const providers = cachedCheck(checks.providers, clock);

  async function report(): Promise<HealthReport> {
    const reports = await Promise.all([storage(), database(), queue(), providers()]);
    return {
      status: worst(reports),
      checks: { storage: reports[0], database: reports[1], queue: reports[2], providers: reports[3] },
      version,
      uptimeSeconds: Math.floor((clock.now() - startedAt) / 1000),
    };
  }

  async function readiness(): Promise<HealthReport> {
    const full = await report();
    if (stopping()) return { ...full, status: 'error', detail: 'the service is stopping' };
    if (!providerUsable()) return { ...full, status: 'error', detail: 'no provider takes work at the moment' };
    const { storage, database, queue } = full.checks;
    return { ...full, status: worst([storage, database, queue]) };
  }

  return { report, readiness };
}

function worst(reports: readonly CheckOutcome[]): HealthStatus {
  const has = (status: HealthStatus) => reports.some((report) => report.status === status);
  return has('error') ? 'error' : has('degraded') ? 'degraded' : 'ok';
}

/** A check with a memory: its last answer while that is fresh, and since when the status has been what it is. */
function cachedCheck(check: () => Promise<CheckOutcome>, clock: Clock): () => Promise<CheckReport> {
  let last: CheckReport | null = null;
  let answeredAt = 0;
  let refreshing: Promise<CheckReport> | null = null;
  let running: Promise<CheckOutcome> | null = null;

  /** Begins the check, or comes back to one that is still at it: a check that hangs is never begun twice. */
  function run(): Promise<CheckOutcome> {
    running ??= Promise.try(check)
      .catch((error: unknown): CheckOutcome => ({ status: 'error', detail: messageOf(error) }))
      .finally(() => {
        running = null;
      });
    return running;
  }

  async function refresh(): Promise<CheckReport> {
    const outcome = await withTimeout(run(), clock);
    answeredAt = clock.now();
    const since = last?.status === outcome.status ? last.since : new Date(answeredAt).toISOString();
    last = { ...outcome, since };
    return last;
  }

  return () => {
    const age = clock.now() - answeredAt;
    // A clock that was set back must not keep an old answer alive.
    if (last !== null && age >= 0 && age < CACHE_MS) return Promise.resolve(last);
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
