import { createMetrics } from '../adapters/telemetry/prometheus.ts';
import type { Config } from '../config/config.ts';
import { microdollarsToUsd } from '../core/domain/money.ts';
import { type ShutdownWatch, shutdownTime } from '../core/models/retirement.ts';
import { utcDay } from '../core/money/budget.ts';
import type { ImageQueue } from '../core/pipeline/image-queue.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { MediaStore } from '../core/ports/media-store.ts';
import type { Provider } from '../core/ports/provider.ts';
import type { RecordStore } from '../core/ports/record-store.ts';
import type { Metrics } from '../core/ports/telemetry.ts';
import type { Upstreams } from '../core/upstream/upstreams.ts';

interface MetricParts {
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly upstreams: Upstreams;
  readonly providers: readonly Provider[];
  readonly shutdowns: ShutdownWatch;
  /** Called at a scrape: the queue may be built after the metrics. */
  readonly queueDepth: ImageQueue['depth'];
  readonly clock: Clock;
}

/** The metrics, with gauges that read the parts at each scrape. */
export function createServiceMetrics(
  { budget, defaults }: Config,
  { records, store, upstreams, providers, shutdowns, queueDepth, clock }: MetricParts,
): Metrics {
  const today = () => utcDay(clock.now());
  return createMetrics({
    queueDepth,
    mediaBytes: () => store.usedBytes(),
    freeBytes: () => store.freeBytes(),
    breakers: () => upstreams.states().map(({ name, openedBy }) => ({ provider: name, open: openedBy !== null })),
    spentToday: () => records.spending(today(), null),
    reserved: async () => microdollarsToUsd((await records.balance(today(), null)).reserved),
    budget,
    shutdowns: () => shutdowns.known().map(({ model, date }) => ({ model, time: shutdownTime(date) })),
    models: providers.map((provider) => ({
      provider: provider.name,
      model: provider.model(defaults.model)?.id ?? defaults.model,
    })),
  });
}
