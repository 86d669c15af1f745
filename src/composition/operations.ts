import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { ProviderState } from '../core/domain/provider-state.ts';
import { createReportOperations, type ReportOperations } from '../core/operations/operations.ts';
import { createStageTimes, type StageTimes } from '../core/operations/stage-times.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { MediaStore } from '../core/ports/media-store.ts';
import type { RecordStore } from '../core/ports/record-store.ts';
import { CLEANUP } from './start/begin-work.ts';
import { runEvery } from './start/startup.ts';
import type { Membership, Stores } from './stores/stores.ts';
import { VERSION } from './version.ts';

interface OperationsParts {
  /** Names this process among the replicas. */
  readonly instance: string;
  /** Its place among the others; null where there are none. */
  readonly membership: Membership | null;
  readonly stores: Pick<Stores, 'nextRun'>;
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly stageTimes: StageTimes;
  readonly providerStates: () => readonly ProviderState[];
  readonly clock: Clock;
}

/** The report for operators, of all processes over these records. */
export function openOperations(
  { queue, retention, role }: Config,
  { membership, stores, ...parts }: OperationsParts,
): ReportOperations {
  const { clock, instance, providerStates } = parts;
  const startedAt = new Date(clock.now()).toISOString();
  return createReportOperations({
    ...parts,
    instances:
      membership?.list ??
      (async () => {
        const seenAt = new Date(clock.now()).toISOString();
        return [{ id: instance, version: VERSION, role, startedAt, seenAt, providers: providerStates() }];
      }),
    nextCleanup: () => stores.nextRun(CLEANUP, retention.intervalMs),
    queueLimit: queue.limit,
    maxBytes: retention.maxBytes,
  });
}

/** A process that is killed loses what stages took for so long, in milliseconds. */
const STORE_MS = 10_000;

/** The counts of how long stages took. What is not stored yet is stored when `opened` ends. */
export function openStageTimes(records: RecordStore, clock: Clock, opened: AsyncDisposableStack): StageTimes {
  const stageTimes = createStageTimes(records, clock);
  opened.defer(() => stageTimes.flush());
  return stageTimes;
}

/** Stores the counts now and then. Returns the function that stops this. */
export function storeStageTimes(stageTimes: StageTimes, log: Logger): () => Promise<void> {
  return runEvery(STORE_MS, log, stageTimes.flush);
}
