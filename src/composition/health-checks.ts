import { describeShutdown, type ShutdownWatch } from '../core/models/retirement.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { JobQueue } from '../core/ports/job-queue.ts';
import type { RecordStore } from '../core/ports/record-store.ts';
import type { StorageCapacity } from '../core/storage/capacity.ts';
import { type Upstreams, upstreamHealth } from '../core/upstream/upstreams.ts';
import type { HealthChecks } from '../http/monitoring/health.ts';

interface HealthCheckDeps {
  /** The storage check is `error` where it accepts no picture of the default size. */
  readonly capacity: StorageCapacity;
  /** What the last cleanup could not do; null where it did everything. */
  readonly sweepTrouble: () => string | null;
  readonly records: RecordStore;
  readonly queue: JobQueue;
  /** Limit of waiting jobs; the queue check is `error` once it is reached. */
  readonly queueLimit: number;
  /** The number of jobs that were given up, for now, where replicas share them; null elsewhere. */
  readonly deadJobs: (() => Promise<number>) | null;
  readonly upstreams: Upstreams;
  readonly shutdowns: ShutdownWatch;
  readonly clock: Clock;
}

/** The checks behind `/health`. The storage and database checks reject with `ImageError` where they fail. */
export function createHealthChecks(deps: HealthCheckDeps): HealthChecks {
  const { capacity, sweepTrouble, records, queue, queueLimit, deadJobs, upstreams, shutdowns, clock } = deps;
  return {
    async storage() {
      await capacity.check();
      const trouble = sweepTrouble();
      return trouble === null ? { status: 'ok' } : { status: 'degraded', detail: trouble };
    },

    async database() {
      await records.check();
      return { status: 'ok' };
    },

    async queue() {
      const { waiting, running } = await queue.depth();
      const dead = (await deadJobs?.()) ?? 0;
      const detail = [
        `${waiting} waiting of at most ${queueLimit}, ${running} running`,
        ...(dead === 0 ? [] : [`${dead} lost with their process too often`]),
      ].join(', ');
      if (waiting >= queueLimit) return { status: 'error', detail };
      return { status: dead === 0 ? 'ok' : 'degraded', detail };
    },

    // Degraded, not failed, while a model in use is about to be retired: calls still succeed.
    async providers() {
      const { status, detail } = upstreamHealth(upstreams.states());
      const retiring = shutdowns.soon().map((shutdown) => describeShutdown(shutdown, clock.now()));
      return {
        status: status === 'ok' && retiring.length > 0 ? 'degraded' : status,
        detail: [detail, ...retiring].join('; '),
      };
    },
  };
}
