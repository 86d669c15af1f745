import type { Logger } from 'pino';
import { faultFields } from '../../core/domain/errors.ts';
import { createQueue } from './job-schema.ts';
import type { SharedJobs } from './pg-boss.ts';
import { createRunningJobs } from './running-jobs.ts';

/** Work that is done once in an interval by one of all processes over one database. */
export interface ClusterSchedule {
  /**
   * Does `work` once in each interval of `ms` milliseconds, at least a second, which begins at the same moment for all processes; failures
   * are logged, and left to the next interval. The work of a process that dies meanwhile is done again. Names are of letters and hyphens.
   * Returns the function that stops this and waits for the current run. Called by processes that run jobs only.
   */
  every(name: string, ms: number, work: () => Promise<void>): () => Promise<void>;
}

/** Each process looks so often, in milliseconds, whether an interval has begun that none has taken yet. */
const LONGEST_LOOK_MS = 60_000;

/**
 * When the next interval of `ms` milliseconds begins after `now`, both in milliseconds since 1970: they are counted from 1970. Its work
 * begins within a minute of that.
 */
export function nextInterval(ms: number, now: number): number {
  return (Math.floor(now / ms) + 1) * ms;
}

export function createClusterSchedule(jobs: SharedJobs): ClusterSchedule {
  const { boss, log } = jobs;
  return {
    every(name, ms, work) {
      const queue = `every-${name}`;
      const stopping = new AbortController();
      const running = createRunningJobs({
        draining: stopping.signal,
        stopping: stopping.signal,
        touch: (attempts) => jobs.touch(queue, attempts),
        onFree: () => undefined,
        log,
      });
      let isCreated = false;

      /** Takes the interval where no other process has, and does what is to be done, as another's that has died. */
      async function look(): Promise<void> {
        if (!isCreated) await createQueue(boss, queue, 'stately');
        isCreated = true;
        const seconds = Math.round(ms / 1_000);
        // The row of an interval keeps others out, and so it stays until the next one has begun.
        await boss.send(queue, null, {
          singletonSeconds: seconds,
          singletonKey: name,
          deleteAfterSeconds: 2 * seconds,
        });
        const [job] = await boss.fetch(queue);
        if (job === undefined) return;
        running.begin(
          name,
          job,
          () => workOrLog(work, name, log),
          async ({ attempt }) => {
            await boss.complete(queue, attempt).catch((error: unknown) => log.warn(faultFields(error), 'no end noted'));
          },
        );
        await running.allEnded();
      }

      let inFlight: Promise<void> | null = null;
      const timer = setInterval(
        () => {
          inFlight ??= look()
            .catch((error: unknown) =>
              log.warn({ name, ...faultFields(error) }, 'scheduled work waits for the database'),
            )
            .finally(() => {
              inFlight = null;
            });
        },
        Math.min(ms, LONGEST_LOOK_MS),
      );
      return async () => {
        clearInterval(timer);
        await inFlight;
      };
    },
  };
}

async function workOrLog(work: () => Promise<void>, name: string, log: Logger): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.error({ name, ...faultFields(error) }, 'scheduled job failed; the next run tries again');
  }
}
