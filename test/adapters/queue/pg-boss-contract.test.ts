import { afterAll, beforeAll } from 'vitest';
import type { JobQueue } from '../../../src/core/ports/job-queue.ts';
import { describeJobQueue } from '../../contracts/job-queue.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';
import { openReplica, removeJobs } from './replicas.ts';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.drop());

describeJobQueue('pg-boss', async () => {
  const replica = await openReplica(test.url);
  /** The slots of the queues that take jobs, and the jobs that run in them. */
  const queues = new Map<JobQueue, { readonly concurrency: number; running: number }>();

  return {
    async open({ concurrency, run }) {
      const state = { concurrency, running: 0 };
      const queue = replica.queue({
        concurrency,
        async run(mediaId, signals, claim) {
          state.running += 1;
          await run(mediaId, signals, claim).finally(() => {
            state.running -= 1;
          });
        },
      });
      queues.set(queue, state);
      await queue.start();
      return {
        ...queue,
        stop(deadline) {
          queues.set(queue, { concurrency: 0, running: 0 });
          return queue.stop(deadline);
        },
      };
    },

    // All that is claimed runs, and what waits has no slot or waits for its image.
    settled: () =>
      until(async () => {
        const states = [...queues.values()];
        if (states.some(({ concurrency }) => concurrency === 0)) return true;
        const rows = await replica.database.read(
          "SELECT singleton_key AS key, state FROM easel_jobs.job WHERE name = 'images' AND state <= 'active'",
        );
        const running = states.reduce((sum, state) => sum + state.running, 0);
        const free = states.reduce((sum, state) => sum + state.concurrency, 0) - running;
        const active = new Set(rows.filter(({ state }) => state === 'active').map(({ key }) => key));
        const waiting = rows.filter(({ state, key }) => state !== 'active' && !active.has(key));
        return active.size === running && (free === 0 || waiting.length === 0);
      }),

    async dispose() {
      await replica.close();
      await removeJobs(test);
    },
  };
});
