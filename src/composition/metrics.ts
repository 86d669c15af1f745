import { createMetrics } from '../adapters/telemetry/prometheus.ts';
import type { GaugeSources } from '../adapters/telemetry/prometheus-gauges.ts';
import type { Config } from '../config/config.ts';
import { microdollarsToUsd } from '../core/domain/money.ts';
import { type ShutdownWatch, shutdownTime } from '../core/models/retirement.ts';
import { utcDay } from '../core/money/budget.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { MediaStore } from '../core/ports/media-store.ts';
import type { Provider } from '../core/ports/provider.ts';
import type { Metrics } from '../core/ports/telemetry.ts';
import { STORAGE_PARTS, type StorageWatch } from '../core/storage/storage-watch.ts';
import type { WatchedRecords } from '../core/storage/watched-stores.ts';
import type { Upstreams } from '../core/upstream/upstreams.ts';
import { VERSION } from './version.ts';

interface MetricParts {
  /** Names this process among the replicas. */
  readonly instance: string;
  readonly records: WatchedRecords;
  readonly store: MediaStore;
  readonly storageWatch: Pick<StorageWatch, 'isWorking'>;
  readonly upstreams: Upstreams;
  readonly providers: readonly Provider[];
  readonly shutdowns: ShutdownWatch;
  /** Called at a scrape: the queue may be built after the metrics. */
  readonly queueDepth: GaugeSources['queueDepth'];
  readonly clock: Clock;
}

/** The metrics, with gauges that read the parts at each scrape. */
export function createServiceMetrics(
  { budget, defaults, records: { kind }, role }: Config,
  { instance, records, store, storageWatch, upstreams, providers, shutdowns, queueDepth, clock }: MetricParts,
): Metrics {
  const today = () => utcDay(clock.now());
  return createMetrics({
    queueDepth,
    mediaBytes: () => store.usedBytes(),
    freeBytes: () => store.freeBytes(),
    storage: () => STORAGE_PARTS.map((part) => ({ part, working: storageWatch.isWorking(part) })),
    unreadableRecords: () => records.unreadableCount(),
    breakers: () => upstreams.states().map(({ name, openedBy }) => ({ provider: name, open: openedBy !== null })),
    spentToday: () => records.spending(today(), null),
    reserved: async () => microdollarsToUsd((await records.balance(today(), null)).reserved),
    budget,
    shutdowns: () => shutdowns.known().map(({ model, date }) => ({ model, time: shutdownTime(date) })),
    version: VERSION,
    replica: kind === 'postgres' ? { instance, role } : null,
    models: providers.map((provider) => ({
      provider: provider.name,
      model: provider.model(defaults.model)?.id ?? defaults.model,
    })),
  });
}
