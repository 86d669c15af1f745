import { pino } from 'pino';
import { afterAll } from 'vitest';
import { openPostgres, type PostgresDatabase } from '../../../../src/adapters/postgres/database.ts';
import { migrate } from '../../../../src/adapters/postgres/schema/migrations.ts';
import { openSession, type PostgresSession } from '../../../../src/adapters/postgres/session.ts';
import { openPostgresRecords, type PostgresRecordsOptions } from '../../../../src/adapters/records/postgres/records.ts';
import type { RecordStore } from '../../../../src/core/ports/record-store.ts';
import { trivialDerive } from '../../../contracts/record-store/trivial-derive.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/postgres/shared-server.ts';
import { LONGEST_WAIT_MS } from '../../../support/until.ts';

/** Says nothing. */
export const log = pino({ level: 'silent' });

/** A store as a replica has it, with its connections. */
export interface Replica {
  readonly records: RecordStore;
  readonly database: PostgresDatabase;
  readonly session: PostgresSession;
}

/** A database with empty tables of records, and the replicas that use it. */
export interface Place {
  readonly test: TestDatabase;
  /** Opens the records as one more replica, until `close` or `dispose`. Its connections name it `easel <name>`. */
  open(options?: Partial<PostgresRecordsOptions>, name?: string): Promise<Replica>;
  /** Closes the replicas. */
  close(): Promise<void>;
  /** Closes the replicas, and empties the database for the next test. */
  dispose(): Promise<void>;
}

/** Places for the tests of one file, which share databases one after the other: to make one takes longer than most tests. */
export function createPlaces(): () => Promise<Place> {
  const all: TestDatabase[] = [];
  const free: TestDatabase[] = [];
  afterAll(() => Promise.all(all.map((test) => test.drop())));

  return async () => {
    const test = free.pop() ?? (await makeDatabase());
    if (!all.includes(test)) all.push(test);
    const replicas: Replica[] = [];
    const close = async () => {
      for (const { records, database, session } of replicas.splice(0)) {
        await records.close();
        await database.close();
        await session.close();
      }
    };
    return {
      test,

      async open(options = {}, name = 'records') {
        const connections = { url: test.url, applicationName: `easel ${name}`, connectMs: LONGEST_WAIT_MS, log };
        const database = openPostgres({ ...connections, poolSize: 10 });
        const session = await openSession(connections);
        const records = await openPostgresRecords({ database, session, derive: trivialDerive, ...options });
        const replica = { records, database, session };
        replicas.push(replica);
        return replica;
      },

      close,

      async dispose() {
        await close();
        await test.query(`DO $$ DECLARE name text; BEGIN
          FOR name IN SELECT tablename FROM pg_tables
            WHERE schemaname = 'easel' AND tablename NOT IN ('migrations', 'schema_version')
            -- The last ones: what is deleted before is counted there.
            ORDER BY tablename IN ('totals', 'label_totals')
          LOOP EXECUTE format('DELETE FROM easel.%I', name); END LOOP;
        END $$`);
        free.push(test);
      },
    };
  };
}

async function makeDatabase(): Promise<TestDatabase> {
  const test = await createTestDatabase();
  const database = openPostgres({ url: test.url, poolSize: 1, applicationName: 'easel migration', log });
  await migrate(database);
  await database.close();
  return test;
}
