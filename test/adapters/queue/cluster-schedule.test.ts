import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createClusterSchedule } from '../../../src/adapters/queue/cluster-schedule.ts';
import { createReconciliation, DEAD_LETTER_MS } from '../../../src/adapters/queue/reconciliation.ts';
import { controlledJobs } from '../../contracts/job-queue.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';
import { noRun, openReplica, type Replica, removeJobs } from './replicas.ts';

let test: TestDatabase;
let replicas: readonly Replica[];

beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.drop());

beforeEach(async () => {
  replicas = await Promise.all([openReplica(test.url), openReplica(test.url)]);
});

afterEach(async () => {
  await Promise.all(replicas.map((replica) => replica.close()));
  await removeJobs(test);
});

const replica = (index: number): Replica => replicas[index] as Replica;

it('does scheduled work once in an interval in the whole cluster, and in the next one after a failure', async () => {
  let runs = 0;
  let atOnce = 0;
  let mostAtOnce = 0;
  const stops = replicas.map(({ jobs }) =>
    createClusterSchedule(jobs).every('cleanup', 1_000, async () => {
      runs += 1;
      atOnce += 1;
      mostAtOnce = Math.max(mostAtOnce, atOnce);
      await Promise.resolve();
      atOnce -= 1;
      if (runs === 1) throw new Error('the first fails');
    }),
  );
  await until(() => runs >= 3);
  await Promise.all(stops.map((stop) => stop()));
  const intervals = await test.query(
    "SELECT singleton_on, count(*) AS n, bool_and(state = 'completed') AS done FROM easel_jobs.job WHERE name = 'every-cleanup' GROUP BY 1",
  );
  expect(mostAtOnce).toBe(1);
  expect(intervals.map(({ n }) => Number(n))).toEqual(intervals.map(() => 1));
  expect(runs).toBeLessThanOrEqual(intervals.length);
});

it('sends the jobs of unfinished images that have none, and no others', async () => {
  const jobs = controlledJobs();
  const queue = replica(0).queue({ concurrency: 1, run: jobs.run });
  await queue.enqueue('waits');
  const reconcile = createReconciliation({
    jobs: replica(0).jobs,
    records: { unfinished: async () => ['waits', 'lost'] },
    queue,
  });
  await reconcile();
  await reconcile();
  const rows = await test.query('SELECT singleton_key AS id FROM easel_jobs.job ORDER BY created_on');
  expect(rows).toEqual([{ id: 'waits' }, { id: 'lost' }]);
});

it('keeps a job that was lost with its process twenty times as a dead letter, and tries it again after an hour', async () => {
  const { jobs } = replica(0);
  const queue = replica(0).queue({ concurrency: 1, run: noRun });
  await queue.enqueue('poison');
  const state = async () => (await test.query("SELECT state FROM easel_jobs.job WHERE name = 'images'"))[0]?.state;
  let losses = 0;
  while ((await jobs.deadLetters()) === 0) {
    const [job] = await jobs.boss.fetch('images');
    // As supervision does for a job without a heartbeat.
    await jobs.boss.fail('images', String(job?.id));
    losses += 1;
  }
  expect(losses).toBe(21);
  expect(await state()).toBe('failed');
  let at = Date.now();
  const reconcile = createReconciliation({
    jobs,
    records: { unfinished: async () => ['poison'] },
    queue,
    now: () => at,
  });
  await reconcile();
  expect(await state()).toBe('failed');
  expect(await jobs.deadLetters()).toBe(1);
  at += DEAD_LETTER_MS + 60_000;
  await reconcile();
  expect(await jobs.deadLetters()).toBe(0);
  expect(await queue.depth()).toEqual({ waiting: 1, running: 0 });
});
