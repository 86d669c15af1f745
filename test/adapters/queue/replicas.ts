import { pino } from 'pino';
import { openPostgres, type PostgresDatabase } from '../../../src/adapters/postgres/database.ts';
import { migrate } from '../../../src/adapters/postgres/schema/migrations.ts';
import { openSession, type PostgresSession } from '../../../src/adapters/postgres/session.ts';
import { openPgBoss, type SharedJobs } from '../../../src/adapters/queue/pg-boss.ts';
import { createPgBossQueue } from '../../../src/adapters/queue/pg-boss-queue.ts';
import type { JobQueue, RunJob } from '../../../src/core/ports/job-queue.ts';
import type { TestDatabase } from '../../support/postgres/shared-server.ts';
import { LONGEST_WAIT_MS } from '../../support/until.ts';

/** What one process opens of the queue. */
export interface Replica {
  readonly jobs: SharedJobs;
  readonly database: PostgresDatabase;
  readonly session: PostgresSession;
  queue(options: { readonly concurrency: number; readonly run: RunJob; readonly pollMs?: number }): JobQueue;
  close(): Promise<void>;
}

/** The connections of a replica for requests. */
export const POOL_SIZE = 5;

/** Opens a replica over the database of this URL. */
export async function openReplica(url: string): Promise<Replica> {
  const log = pino({ level: process.env.QUEUE_LOG ?? 'silent' });
  const connections = { url, applicationName: 'easel test', connectMs: LONGEST_WAIT_MS, log };
  const database = openPostgres({ ...connections, poolSize: POOL_SIZE });
  await migrate(database);
  const heartbeats = openPostgres({ ...connections, poolSize: 1 });
  const session = await openSession(connections);
  const jobs = await openPgBoss({ database, heartbeats, session, log });
  return {
    jobs,
    database,
    session,
    queue: (options) => createPgBossQueue({ jobs, name: 'images', ...options }),
    async close() {
      await jobs.close();
      await session.close();
      await heartbeats.close();
      await database.close();
    },
  };
}

/** Removes all jobs, for the next test over the same database: to make one takes longer than most tests. */
export async function removeJobs(test: TestDatabase): Promise<void> {
  const [row] = await test.query("SELECT to_regclass('easel_jobs.job') IS NOT NULL AS known");
  if (row?.known) await test.query('DELETE FROM easel_jobs.job');
}

/** Runs nothing. */
export const noRun: RunJob = () => Promise.resolve();
