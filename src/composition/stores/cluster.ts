import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { openPostgresEvents } from '../../adapters/events/postgres.ts';
import { DifferingSecretError, openInstances, sharedSecret } from '../../adapters/instances/postgres.ts';
import { openCallLimits } from '../../adapters/limits/postgres-calls.ts';
import { createRequestCounters } from '../../adapters/limits/postgres-requests.ts';
import { createPostgresLocks } from '../../adapters/locks/postgres.ts';
import { openPostgres, type PostgresDatabase } from '../../adapters/postgres/database.ts';
import { asSetupError, prepareDatabase } from '../../adapters/postgres/server-check.ts';
import { openSession, type PostgresSession } from '../../adapters/postgres/session.ts';
import { createClusterSchedule, nextInterval } from '../../adapters/queue/cluster-schedule.ts';
import { createEnlist } from '../../adapters/queue/enlist.ts';
import { NewerJobSchemaError, openPgBoss, type SharedJobs } from '../../adapters/queue/pg-boss.ts';
import { createPgBossQueue } from '../../adapters/queue/pg-boss-queue.ts';
import { createReconciliation } from '../../adapters/queue/reconciliation.ts';
import { isImportUnfinished, UNFINISHED_IMPORT } from '../../adapters/records/postgres/importer.ts';
import { mergeSums } from '../../adapters/records/postgres/ledger.ts';
import { openPostgresRecords } from '../../adapters/records/postgres/records.ts';
import type { Config } from '../../config/config.ts';
import type { PostgresSettings } from '../../config/storage-settings.ts';
import { StorageSetupError } from '../../core/domain/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { takeLock } from '../../core/ports/lock-wait.ts';
import type { Locks } from '../../core/ports/locks.ts';
import { VERSION } from '../version.ts';
import type { Secrets } from './secrets.ts';
import type { StoreParts, Stores } from './stores.ts';

/** For how long a server that cannot be reached yet is tried, in milliseconds. */
const WAIT_MS = 30_000;
const APPLICATION = 'easel';
/** A heartbeat that hangs, in milliseconds, makes room for the next one well before others take the jobs over. */
const HEARTBEAT_TIMEOUT_MS = 3_000;

/**
 * The stores that replicas share in PostgreSQL. Raises `StorageSetupError` where its server was not reached in time, or the database cannot
 * be used, and `ImageError` where the server was lost meanwhile.
 */
export async function openCluster(...parts: Parameters<typeof open>): Promise<Stores> {
  try {
    return await open(...parts);
  } catch (error) {
    throw asSetupError(error);
  }
}

async function open(
  { role }: Pick<Config, 'role'>,
  { url, poolSize }: PostgresSettings,
  { derive, instance, clock, log }: StoreParts,
  opened: AsyncDisposableStack,
): Promise<Stores> {
  const options = { url, applicationName: APPLICATION, log };
  const database = await prepareDatabase({ ...options, poolSize, waitMs: WAIT_MS });
  opened.defer(() => database.close());
  if (await isImportUnfinished(database)) throw new StorageSetupError(UNFINISHED_IMPORT);
  const session = await openSession(options);
  opened.defer(() => session.close());
  const locks = createPostgresLocks(session);
  const heartbeats = openPostgres({ ...options, poolSize: 1, statementTimeoutMs: HEARTBEAT_TIMEOUT_MS });
  opened.defer(() => heartbeats.close());
  const jobs = await openJobs({ database, heartbeats, session, locks, clock, log });
  opened.defer(() => jobs.close());
  const records = await openPostgresRecords({ database, session, derive, enlist: createEnlist(jobs), instance });
  opened.defer(() => records.close());
  const events = await openPostgresEvents({ database, session, records, instance });
  opened.defer(() => events.close());
  const callLimits = await openCallLimits({ database, session, locks, log });
  opened.defer(() => callLimits.close());
  const schedule = createClusterSchedule(jobs);
  return {
    records,
    locks,
    events,
    createQueue: (queue) => createPgBossQueue({ jobs, ...queue }),
    keepSecret: (name, encode = (bits) => bits.toString('base64url')) =>
      sharedSecret(database, name, () => encode(randomBytes(32))),
    every: (name, ms, work) => schedule.every(name, ms, work),
    nextRun: (_name, ms) => nextInterval(ms, clock.now()),
    cluster: {
      firstMark: {
        wasMade: async () => (await database.read('SELECT FROM easel.media_mark')).length > 0,
        made: async () =>
          void (await database.write('INSERT INTO easel.media_mark DEFAULT VALUES ON CONFLICT DO NOTHING')),
      },
      callLimits,
      requestCounters: createRequestCounters(database),
      async join(secrets, providers) {
        const instances = await openInstances({
          database,
          id: instance,
          version: VERSION,
          role,
          secrets: byVariable(secrets),
          providers,
        }).catch((error: unknown) => {
          throw error instanceof DifferingSecretError ? new StorageSetupError(error.message, { cause: error }) : error;
        });
        return {
          hasMaker: async () => (await instances.list()).some(({ role }) => role !== 'api'),
          list: instances.list,
          leave: () => instances.close(),
        };
      },
      async reconcile(queue) {
        await createReconciliation({ jobs, records, queue })();
        await mergeSums(database);
      },
      deadJobs: () => jobs.deadLetters(),
    },
  };
}

interface JobParts {
  readonly database: PostgresDatabase;
  readonly heartbeats: PostgresDatabase;
  readonly session: PostgresSession;
  readonly log: Logger;
  readonly locks: Locks;
  readonly clock: Pick<Clock, 'sleep'>;
}

/** Opens the jobs: of many replicas that start at once one after the other, as pg-boss makes its schema without a lock. */
async function openJobs({ locks, clock, ...parts }: JobParts): Promise<SharedJobs> {
  await using _ = await takeLock(locks, 'job schema', { clock });
  return await openPgBoss(parts).catch((error: unknown) => {
    if (!(error instanceof NewerJobSchemaError)) throw error;
    throw new StorageSetupError(`DATABASE_URL: ${error.message}`, { cause: error });
  });
}

/** The secrets by the variables that set them, for the comparison with those of other replicas. */
function byVariable({ mediaUrl, webhook }: Secrets): Readonly<Record<string, string>> {
  return { ...(mediaUrl !== null && { MEDIA_URL_SECRET: mediaUrl }), WEBHOOK_SECRET: webhook.join(',') };
}
