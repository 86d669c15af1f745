import type { Config } from '../config/config.ts';
import { describeShutdown, type ShutdownWatch } from '../core/models/retirement.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { JobQueue } from '../core/ports/job-queue.ts';
import type { RecordStore } from '../core/ports/record-store.ts';
import { type Upstreams, upstreamHealth } from '../core/upstream/upstreams.ts';
import type { CheckOutcome, HealthChecks } from '../http/monitoring/health.ts';

/** Room that the storage has to have to be called healthy: a few large pictures. */
export const HEALTHY_FREE_BYTES = 64 * 1024 * 1024;

export function healthChecks(
  config: Config,
  records: RecordStore,
  queue: JobQueue,
  checkStorage: () => Promise<void>,
  checkProviders: () => CheckOutcome,
): HealthChecks {
  const passes = async (check: () => Promise<void>): Promise<CheckOutcome> => {
    await check();
    return { status: 'ok' };
  };
  return {
    storage: () => passes(checkStorage),
    database: () => passes(() => records.check()),
    async queue() {
      const { waiting, running } = await queue.depth();
      const detail = `${waiting} waiting of at most ${config.queue.limit}, ${running} running`;
      return { status: waiting < config.queue.limit ? 'ok' : 'error', detail };
    },
    providers: async () => checkProviders(),
  };
}

/** A model that is about to be retired needs somebody's attention; until then it works. */
export function providersCheck(upstreams: Upstreams, shutdowns: ShutdownWatch, clock: Clock): CheckOutcome {
  const { status, detail } = upstreamHealth(upstreams.states());
  const soon = shutdowns.soon().map((shutdown) => describeShutdown(shutdown, clock.now()));
  return { status: status === 'ok' && soon.length > 0 ? 'degraded' : status, detail: [detail, ...soon].join('; ') };
}
