import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, expect, it } from 'vitest';
import { HEARTBEAT_SECONDS } from '../../../src/adapters/queue/job-schema.ts';
import { createSupervision } from '../../../src/adapters/queue/supervision.ts';
import { controlledJobs } from '../../contracts/job-queue.ts';
import { startPostgres } from '../../support/postgres/server.ts';
import { until } from '../../support/until.ts';
import { openReplica } from './replicas.ts';

const closes: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closes.reverse()) await close();
});

it('starts no job again after PostgreSQL was away for longer than a heartbeat', async () => {
  const server = await startPostgres();
  closes.push(() => server.stop());
  const jobs = controlledJobs();
  const replicas = await Promise.all([openReplica(server.url()), openReplica(server.url())]);
  closes.push(...replicas.map((replica) => () => replica.close()));
  const queues = replicas.map((replica) => replica.queue({ concurrency: 2, run: jobs.run }));
  await Promise.all(queues.map((queue) => queue.start()));
  for (const mediaId of ['a', 'b', 'c']) await queues[0]?.enqueue(mediaId);
  await until(() => jobs.running.size === 3);

  await server.kill();
  // What is accepted meanwhile by this process is sent when that is possible again.
  const sent = queues[1]?.enqueue('d');
  await delay((HEARTBEAT_SECONDS + 1) * 1_000);
  await server.restart();
  await sent;

  await until(() => jobs.running.has('d'));
  // By now each supervises again: a heartbeat that had been missed would have been found.
  for (const replica of replicas) {
    await until(() => (replica.session.connectedMs() ?? 0) > (HEARTBEAT_SECONDS + 3) * 1_000);
  }
  expect(jobs.started).toEqual(expect.arrayContaining(['a', 'b', 'c', 'd']));
  expect(jobs.started).toHaveLength(4);
  for (const mediaId of ['a', 'b', 'c', 'd']) jobs.end(mediaId);
  await until(async () => {
    const depth = await queues[0]?.depth();
    return depth?.waiting === 0 && depth.running === 0;
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
