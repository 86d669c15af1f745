import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, expect, it } from 'vitest';
import { HEARTBEAT_SECONDS } from '../../../../src/adapters/queue/job-schema.ts';
import { createSupervision } from '../../../../src/adapters/queue/supervision.ts';
import { controlledJobs } from '../../../contracts/job-queue.ts';
import { startPostgres } from '../../../support/postgres/server.ts';
import { until } from '../../../support/until.ts';
import { startHolder } from '../holder.ts';
import { openReplica } from '../replicas.ts';

const closes: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closes.reverse()) await close();
});

it('starts no job again after PostgreSQL was away for longer than a heartbeat', async () => {
  const server = await startPostgres();
  closes.push(() => server.stop());
  const jobs = controlledJobs();
  const replica = await openReplica(server.url());
  closes.push(() => replica.close());
  const holder = startHolder(server.url(), 1);
  closes.push(() => holder.close());
  const queue = replica.queue({ concurrency: 3, run: jobs.run });
  await queue.enqueue('a');
  await until(() => holder.said().includes('start a'));
  await queue.start();
  await queue.enqueue('b');
  await until(() => jobs.running.has('b'));

  // One process is late with its heartbeat, and the other could take its job.
  holder.signal('SIGSTOP');
  await server.kill();
  // What this process accepts meanwhile is sent when that is possible again.
  const sent = queue.enqueue('c');
  await delay((HEARTBEAT_SECONDS + 1) * 1_000);
  await server.restart();
  await sent;
  await until(() => jobs.running.has('c'));
  await until(() => (replica.session.connectedMs() ?? 0) > 4_000);
  holder.signal('SIGCONT');

  // By then it supervises again, and would find a heartbeat that is missing.
  await until(() => (replica.session.connectedMs() ?? 0) > (HEARTBEAT_SECONDS + 3) * 1_000);
  expect(jobs.started).toEqual(['b', 'c']);
  const counts = await replica.database.read("SELECT retry_count AS n FROM easel_jobs.job WHERE state = 'active'");
  expect(counts).toEqual([{ n: 0 }, { n: 0 }, { n: 0 }]);
  for (const mediaId of ['b', 'c']) jobs.end(mediaId);
  holder.end('a');
  await until(async () => {
    const { waiting, running } = await queue.depth();
    return waiting + running === 0;
  });
});

it('supervises only while the database has answered for a whole heartbeat without a gap', async () => {
  let at = 0;
  let connected: number | null = 1_000_000;
  let answer = async () => {};
  let passes = 0;
  const supervision = createSupervision({
    probe: () => answer(),
    session: { connectedMs: () => connected },
    boss: {
      supervise: async () => {
        passes += 1;
      },
    },
    log: pino({ level: 'silent' }),
    now: () => at,
  });
  /** Looks each second for so long, and returns how often it supervised. */
  const looks = async (seconds: number) => {
    passes = 0;
    for (let second = 0; second < seconds; second += 1) {
      at += 1_000;
      await supervision.look();
    }
    return passes;
  };
  expect(await looks(10)).toBe(0);
  expect(await looks(5)).toBe(5);
  // The process stood still.
  at += 5_000;
  expect(await looks(10)).toBe(0);
  expect(await looks(1)).toBe(1);
  // The database answered late.
  answer = async () => {
    at += 5_000;
  };
  await looks(1);
  answer = async () => {};
  expect(await looks(9)).toBe(0);
  expect(await looks(1)).toBe(1);
  // It did not answer.
  answer = () => Promise.reject(new Error('away'));
  await looks(1);
  answer = async () => {};
  expect(await looks(10)).toBe(0);
  expect(await looks(1)).toBe(1);
  // The kept connection is new, or away.
  connected = 9_000;
  expect(await looks(2)).toBe(0);
  connected = null;
  expect(await looks(2)).toBe(0);
});
