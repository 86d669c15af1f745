import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { createPostgresLocks } from '../../../src/adapters/locks/postgres.ts';
import { openPostgres, type PostgresDatabase } from '../../../src/adapters/postgres/database.ts';
import { migrate } from '../../../src/adapters/postgres/schema/migrations.ts';
import { openSession, type PostgresSession } from '../../../src/adapters/postgres/session.ts';
import type { Locks } from '../../../src/core/ports/locks.ts';
import { LONGEST_WAIT_MS } from '../until.ts';
import type { TestDatabase } from './shared-server.ts';

/** The connections of one replica to a test's database. */
export interface TestReplica extends AsyncDisposable {
  readonly instance: string;
  readonly database: PostgresDatabase;
  readonly session: PostgresSession;
  readonly locks: Locks;
  /** Ends the connection of `session`, as PostgreSQL or the network might; it is made anew. */
  loseSession(): Promise<void>;
}

export const SILENT = pino({ level: 'silent' });

/** Connects one more replica; the schema is there after the first. */
export async function openReplica(test: TestDatabase): Promise<TestReplica> {
  const instance = randomUUID();
  const sessionName = `session ${instance}`;
  const connections = { url: test.url, connectMs: LONGEST_WAIT_MS, log: SILENT };
  const database = openPostgres({ ...connections, poolSize: 4, applicationName: 'easel' });
  await migrate(database);
  const session = await openSession({ ...connections, applicationName: sessionName });
  return {
    instance,
    database,
    session,
    locks: createPostgresLocks(session),
    async loseSession() {
      await test.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [
        sessionName,
      ]);
    },
    async [Symbol.asyncDispose]() {
      await session.close();
      await database.close();
    },
  };
}
