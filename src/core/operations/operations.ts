import type { ProviderState } from '../domain/provider-state.ts';
import type { Clock } from '../ports/clock.ts';
import type { Instance, ListInstances } from '../ports/instances.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { LastCleanup, RecordStore } from '../ports/record-store.ts';
import { mergeProviders } from './provider-states.ts';
import type { StageTime, StageTimes } from './stage-times.ts';

/** How the service stands, of all processes over its records. Times are ISO 8601, UTC. */
export interface OperationsReport {
  readonly providers: readonly ProviderState[];
  readonly queue: {
    readonly queued: number;
    readonly running: number;
    /** `QUEUE_LIMIT`. */
    readonly limit: number;
    /** When the queued image was requested that waits longest; null where none is queued. */
    readonly oldestQueuedAt: string | null;
  };
  readonly disk: {
    /** Null where the store has no bound that is known. */
    readonly freeBytes: number | null;
    readonly mediaBytes: number;
    /** `MEDIA_MAX_BYTES`; null for none. */
    readonly maxBytes: number | null;
  };
  readonly cleanup: {
    /** When the next one begins by itself; null where no process does that. */
    readonly nextAt: string | null;
    readonly last: LastCleanup | null;
  };
  readonly stages: readonly StageTime[];
  readonly instances: readonly Omit<Instance, 'providers'>[];
}

/** Reports how the service stands. Raises `ImageError` where the records or the store cannot be read. */
export type ReportOperations = () => Promise<OperationsReport>;

interface OperationsDeps {
  readonly records: Pick<RecordStore, 'countByStatus' | 'oldestQueued' | 'lastCleanup'>;
  readonly store: Pick<MediaStore, 'freeBytes' | 'usedBytes'>;
  /** How this process sees its providers. */
  readonly providerStates: () => readonly ProviderState[];
  /** All processes, this one included. */
  readonly instances: ListInstances;
  /** The id of this process among them. */
  readonly instance: string;
  readonly stageTimes: Pick<StageTimes, 'summary'>;
  /** When the next cleanup begins, in milliseconds since 1970; null where this process does not know of one. */
  readonly nextCleanup: () => number | null;
  readonly queueLimit: number;
  readonly maxBytes: number | null;
  readonly clock: Clock;
}

/** How long a report is reused, in milliseconds: pages ask every few seconds. */
const CACHE_MS = 1_000;

/** Makes the report when asked, at most once a second. */
export function createReportOperations(deps: OperationsDeps): ReportOperations {
  const { clock } = deps;
  let last: { readonly report: OperationsReport; readonly madeAt: number } | null = null;
  let making: Promise<OperationsReport> | null = null;

  async function make(): Promise<OperationsReport> {
    const report = await reportOn(deps);
    last = { report, madeAt: clock.monotonic() };
    return report;
  }

  return () => {
    if (last !== null && clock.monotonic() - last.madeAt < CACHE_MS) return Promise.resolve(last.report);
    making ??= make().finally(() => {
      making = null;
    });
    return making;
  };
}

async function reportOn({ records, store, stageTimes, ...deps }: OperationsDeps): Promise<OperationsReport> {
  const [counts, oldestQueuedAt, lastCleanup, freeBytes, mediaBytes, stages, instances] = await Promise.all([
    records.countByStatus(),
    records.oldestQueued(),
    records.lastCleanup(),
    store.freeBytes(),
    store.usedBytes(),
    stageTimes.summary(),
    deps.instances(),
  ]);
  // This process knows its own state better than what it said of it some seconds ago.
  const others = instances.filter(({ id }) => id !== deps.instance).map(({ providers }) => providers);
  const nextCleanup = instances.some(({ role }) => role !== 'api') ? deps.nextCleanup() : null;
  return {
    providers: mergeProviders([deps.providerStates(), ...others], deps.clock.now()),
    queue: {
      queued: counts.queued,
      running: counts.generating + counts.processing,
      limit: deps.queueLimit,
      oldestQueuedAt,
    },
    disk: { freeBytes, mediaBytes, maxBytes: deps.maxBytes },
    cleanup: { nextAt: nextCleanup === null ? null : new Date(nextCleanup).toISOString(), last: lastCleanup },
    stages,
    instances: instances.map(({ providers: _, ...instance }) => instance),
  };
}
