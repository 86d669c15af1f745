import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { controlledJobs } from '../../../contracts/job-queue.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/postgres/shared-server.ts';
import { until } from '../../../support/until.ts';
import { type Holder, startHolder } from '../holder.ts';
import { openReplica, type Replica } from '../replicas.ts';

describe('a job whose process is gone', () => {
  let test: TestDatabase;
  let replica: Replica;
  let holder: Holder;

  beforeEach(async () => {
    test = await createTestDatabase();
    replica = await openReplica(test.url);
    holder = startHolder(test.url, 1);
  });

  afterEach(async () => {
    await holder.close();
    await replica.close();
    await test.drop();
  });

  const row = async () => {
    const [job] = await test.query('SELECT state, retry_count FROM easel_jobs.job WHERE singleton_key = $1', ['a']);
    return job;
  };

  it('is taken over by another one after a SIGKILL', async () => {
    const jobs = controlledJobs();
    const queue = replica.queue({ concurrency: 1, run: jobs.run });
    await queue.enqueue('a');
    await until(() => holder.said().includes('start a'));
    await queue.start();
    const killed = performance.now();
    holder.signal('SIGKILL');
    // A dead process does not answer: the cancel waits until another one has the job.
    const cancelled = queue.cancel('a');
    await until(() => jobs.running.has('a'));
    if (process.env.FIGURES) console.log(`taken over after ${Math.round(performance.now() - killed)} ms`);
    expect(await row()).toEqual({ state: 'active', retry_count: 1 });
    jobs.end('a');
    await cancelled;
    await until(async () => (await row()) === undefined);
  });

  it('cannot be completed by one that stood still past the takeover', async () => {
    const jobs = controlledJobs();
    const claims: (number | undefined)[] = [];
    const queue = replica.queue({
      concurrency: 1,
      run(mediaId, signals, claim) {
        claims.push(claim);
        return jobs.run(mediaId, signals);
      },
    });
    await queue.enqueue('a');
    await until(() => holder.said().includes('start a'));
    const [first] = await test.query('SELECT last_value AS claim FROM easel.claims');
    holder.signal('SIGSTOP');
    await queue.start();
    await until(() => jobs.running.has('a'));
    expect(claims[0]).toBeGreaterThan(Number(first?.claim));
    holder.signal('SIGCONT');
    holder.end('a');
    await until(() => holder.said().includes('end a'));
    // Its slot is free again, and it can close nothing: the next job of its own starts.
    await replica.queue({ concurrency: 1, run: jobs.run }).enqueue('b');
    await until(() => holder.said().includes('start b'));
    expect(await row()).toEqual({ state: 'active', retry_count: 1 });
    jobs.end('a');
    await until(async () => (await row()) === undefined);
  });
});
