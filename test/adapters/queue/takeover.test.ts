import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { controlledJobs } from '../../contracts/job-queue.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres/shared-server.ts';
import { until } from '../../support/until.ts';
import { openReplica, type Replica } from './replicas.ts';

const SCRIPT = fileURLToPath(new URL('./replica-process.ts', import.meta.url));

describe('a job whose process is gone', () => {
  let test: TestDatabase;
  let replica: Replica;
  let child: ChildProcess;
  let output: string;

  beforeEach(async () => {
    test = await createTestDatabase();
    replica = await openReplica(test.url);
    output = '';
    child = spawn(process.execPath, [SCRIPT, test.url, '1'], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  });

  afterEach(async () => {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
    child.kill('SIGKILL');
    await ended;
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
    await until(() => output.includes('start a'));
    await queue.start();
    const killed = performance.now();
    child.kill('SIGKILL');
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
    await until(() => output.includes('start a'));
    const [first] = await test.query('SELECT extract(epoch FROM started_on) * 1000 AS claim FROM easel_jobs.job');
    child.kill('SIGSTOP');
    await queue.start();
    await until(() => jobs.running.has('a'));
    expect(claims[0]).toBeGreaterThan(Number(first?.claim));
    child.kill('SIGCONT');
    child.stdin?.write('a\n');
    await until(() => output.includes('end a'));
    // Its slot is free again, and it can close nothing: the next job of its own starts.
    await replica.queue({ concurrency: 1, run: jobs.run }).enqueue('b');
    await until(() => output.includes('start b'));
    expect(await row()).toEqual({ state: 'active', retry_count: 1 });
    jobs.end('a');
    await until(async () => (await row()) === undefined);
  });
});
