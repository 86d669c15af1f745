import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createEnlist } from '../../../src/adapters/queue/enlist.ts';
import { NewerJobSchemaError } from '../../../src/adapters/queue/pg-boss.ts';
import type { JobQueue, JobSignals, RunJob } from '../../../src/core/ports/job-queue.ts';
import { controlledJobs } from '../../contracts/job-queue.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';
import { noRun, openReplica, POOL_SIZE, type Replica, removeJobs } from './replicas.ts';

/** Between two looks at the queue: what happens before it, does not wait for a look. */
const NEVER_MS = 3_600_000;

describe('the queue of many replicas', () => {
  let test: TestDatabase;
  let replicas: Replica[];

  beforeAll(async () => {
    test = await createTestDatabase();
  });
  afterAll(() => test.drop());

  beforeEach(() => {
    replicas = [];
  });

  afterEach(async () => {
    await Promise.all(replicas.map((replica) => replica.close()));
    await removeJobs(test);
  });

  const open = async () => {
    const replica = await openReplica(test.url);
    replicas.push(replica);
    return replica;
  };
  const started = async (concurrency: number, run: RunJob, pollMs = 1_000): Promise<JobQueue> => {
    const queue = (await open()).queue({ concurrency, run, pollMs });
    await queue.start();
    return queue;
  };
  const rows = async () => Number((await test.query('SELECT count(*) AS n FROM easel_jobs.job'))[0]?.n);

  it('opens the queue from several replicas at once in an empty database', async () => {
    await Promise.all([open(), open(), open()]);
    expect(await rows()).toBe(0);
  });

  it('shares jobs between replicas, none of which runs twice at once, and keeps no row of a finished one', async () => {
    const running = new Map<string, number>();
    const ran: string[][] = [[], []];
    let mostAtOnce = 0;
    const run = (replica: number): RunJob =>
      async function work(mediaId) {
        running.set(mediaId, (running.get(mediaId) ?? 0) + 1);
        mostAtOnce = Math.max(mostAtOnce, running.get(mediaId) ?? 0);
        ran[replica]?.push(mediaId);
        await delay(20);
        running.set(mediaId, (running.get(mediaId) ?? 0) - 1);
      };
    const [a] = [await started(4, run(0)), await started(4, run(1))];
    const mediaIds = Array.from({ length: 40 }, (_, index) => `image-${index}`);
    await Promise.all(mediaIds.map((mediaId) => a.enqueue(mediaId)));
    // Sent again while they wait or run.
    await Promise.all(mediaIds.slice(0, 10).map((mediaId) => a.enqueue(mediaId)));
    await until(async () => (await rows()) === 0);
    expect(new Set(ran.flat())).toEqual(new Set(mediaIds));
    expect(mostAtOnce).toBe(1);
    expect(ran.every((some) => some.length > 0)).toBe(true);
  });

  it('takes the next job at the end of each, and at a notice: 40 jobs on 4 slots wait for no poll', async () => {
    const queue = await started(4, () => delay(100), NEVER_MS);
    const sender = (await open()).queue({ concurrency: 1, run: noRun });
    const began = performance.now();
    await Promise.all(Array.from({ length: 40 }, (_, index) => sender.enqueue(`image-${index}`)));
    await until(async () => {
      const { waiting, running } = await queue.depth();
      return waiting + running === 0;
    });
    if (process.env.FIGURES) console.log(`40 jobs of 100 ms on 4 slots: ${Math.round(performance.now() - began)} ms`);
  });

  it('sends a job with the record, or not at all, and at once', async () => {
    const jobs = controlledJobs();
    await started(2, jobs.run, NEVER_MS);
    const api = await open();
    const enlist = createEnlist(api.jobs);
    const queue = api.queue({ concurrency: 1, run: noRun });
    const failing = api.database.transaction(async (statements) => {
      await enlist(statements, ['lost']);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await rows()).toBe(0);
    // What was rolled back is not held for sent.
    await queue.enqueue('lost');
    await until(() => jobs.running.has('lost'));
    jobs.end('lost');
    await until(async () => (await rows()) === 0);
    const began = performance.now();
    (await api.database.transaction((statements) => enlist(statements, ['a'])))();
    await until(() => jobs.running.has('a'));
    if (process.env.FIGURES) console.log(`accept to start: ${Math.round(performance.now() - began)} ms`);
    // The `enqueue` that follows an acceptance sends nothing more, and one that follows later does.
    await queue.enqueue('a');
    expect(await queue.depth()).toEqual({ waiting: 0, running: 1 });
    await queue.enqueue('a');
    expect(await queue.depth()).toEqual({ waiting: 1, running: 1 });
    jobs.end('a');
    await until(() => jobs.started.length === 3);
    jobs.end('a');
  });

  it('sends heartbeats while all connections for requests are in use', async () => {
    const { jobs, database } = await open();
    await jobs.boss.send('images', {}, { singletonKey: 'a' });
    const [{ id, retryCount } = { id: '', retryCount: -1 }] = await jobs.boss.fetch('images', {
      includeMetadata: true,
    });
    const leave = Promise.withResolvers<void>();
    let held = 0;
    const holding = Array.from({ length: POOL_SIZE }, () =>
      database.transaction(async () => {
        held += 1;
        await leave.promise;
      }),
    );
    await until(() => held === POOL_SIZE);
    expect(await jobs.touch('images', [{ id, retryCount }])).toEqual([id]);
    leave.resolve();
    await Promise.all(holding);
  });

  it('numbers each claim higher than those before, also where the clock of the database was set back', async () => {
    const claims: (number | undefined)[] = [];
    const queue = await started(1, async (_, __, claim) => void claims.push(claim));
    await queue.enqueue('a');
    await until(async () => claims.length === 1 && (await rows()) === 0);
    await test.query(`CREATE OR REPLACE FUNCTION easel_jobs.job_now() RETURNS timestamptz LANGUAGE sql STABLE AS
      $$ SELECT now() - interval '1 hour' $$`);
    await queue.enqueue('a');
    await until(() => claims.length === 2);
    expect(claims[1]).toBeGreaterThan(claims[0] as number);
  });

  it('cancels a job of another replica, and waits for its end; one that answers requests only takes no jobs', async () => {
    const jobs = controlledJobs();
    await started(1, jobs.run);
    const api = (await open()).queue({ concurrency: 1, run: noRun });
    await api.enqueue('a');
    await api.enqueue('b');
    await until(() => jobs.running.has('a'));
    expect([await api.position('a'), await api.position('b'), await api.position('c')]).toEqual([1, 1, null]);
    let isOver = false;
    const began = performance.now();
    const cancelled = api.cancel('a', { discard: true }).then(() => {
      isOver = true;
    });
    await until(() => jobs.signalsOf('a').discarded.aborted);
    if (process.env.FIGURES) console.log(`cancelled elsewhere after ${Math.round(performance.now() - began)} ms`);
    expect(jobs.signalsOf('a').cancelled.aborted).toBe(true);
    expect(isOver).toBe(false);
    jobs.end('a');
    await cancelled;
    await until(() => jobs.running.has('b'));
    expect(jobs.signalsOf('b').cancelled.aborted).toBe(false);
    jobs.end('b');
  });

  it('gives unfinished jobs back at once when a replica stops', async () => {
    let signals: JobSignals | undefined;
    const first = await open();
    const queue = first.queue({
      concurrency: 1,
      run(_, given) {
        signals = given;
        return new Promise(() => {});
      },
    });
    await queue.start();
    await queue.enqueue('a');
    await until(() => signals !== undefined);
    const jobs = controlledJobs();
    await started(1, jobs.run);
    void queue.stop(AbortSignal.abort());
    await until(() => signals?.stopping.aborted);
    await first.jobs.close();
    // Another replica may have taken it already.
    const [row] = await test.query("SELECT state = 'retry' OR retry_count = 1 AS given FROM easel_jobs.job");
    expect(row?.given).toBe(true);
    await until(() => jobs.running.has('a'));
    jobs.end('a');
    await until(async () => (await rows()) === 0);
  });

  it('frees the slot of a job that it has lost, and runs it again only when the lost run has ended', async () => {
    const jobs = controlledJobs();
    const replica = await open();
    const queue = replica.queue({ concurrency: 1, run: jobs.run });
    await queue.start();
    await queue.enqueue('a');
    await until(() => jobs.running.has('a'));
    const job = async () => (await test.query('SELECT id, state, retry_count FROM easel_jobs.job'))[0];
    // As the supervisor of another replica does.
    await replica.jobs.boss.fail('images', String((await job())?.id));
    await until(async () => (await job())?.retry_count === 1);
    expect((await job())?.state).toBe('active');
    expect(jobs.started).toEqual(['a']);
    jobs.end('a');
    await until(() => jobs.started.length === 2);
    expect((await job())?.retry_count).toBe(1);
    jobs.end('a');
    await until(async () => (await rows()) === 0);
  });

  it('goes on after PostgreSQL has ended every connection', async () => {
    const jobs = controlledJobs();
    const queue = await started(2, jobs.run);
    await queue.enqueue('a');
    await until(() => jobs.running.has('a'));
    const end = () =>
      test.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      );
    await end();
    await queue.enqueue('b');
    await until(() => jobs.running.has('b'));
    await end();
    jobs.end('a');
    jobs.end('b');
    await until(async () => (await rows()) === 0);
    expect(jobs.started).toEqual(['a', 'b']);
  });

  it('refuses jobs of a newer pg-boss', async () => {
    await open();
    await test.query('UPDATE easel_jobs.version SET version = version + 1');
    await expect(openReplica(test.url)).rejects.toThrow(NewerJobSchemaError);
    await test.query('UPDATE easel_jobs.version SET version = version - 1');
  });
});
