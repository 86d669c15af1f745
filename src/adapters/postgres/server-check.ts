import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import { StorageSetupError } from '../../core/domain/errors.ts';
import { connectionConfig, openPostgres, type PostgresDatabase, type PostgresOptions } from './database.ts';
import { isConnectionLost, messageOf } from './errors.ts';
import { migrate, NewerSchemaError, SCHEMA_VERSION } from './schema/migrations.ts';

interface PrepareOptions extends PostgresOptions {
  /** For how long a server that cannot be reached yet is tried, in milliseconds. */
  readonly waitMs: number;
}

/** The oldest PostgreSQL that is tried, as `server_version_num` writes it. */
const OLDEST_VERSION = 140_000;
const RETRY_MS = 500;

/**
 * Opens the database and brings its tables up to date, once its server answers: one that is only just starting is tried for `waitMs`.
 * Raises `StorageSetupError` where the server was not reached in time, or it, the database or the user cannot be used as they are.
 */
export async function prepareDatabase({ waitMs, ...options }: PrepareOptions): Promise<PostgresDatabase> {
  const deadline = performance.now() + waitMs;
  await untilReached(options, deadline);
  const database = openPostgres({ ...options, poolSize: 1, statementTimeoutMs: 0 });
  try {
    for (;;) {
      try {
        await migrateAndLog(database, options.log);
        return openPostgres(options);
      } catch (error) {
        const { cause } = error as Error;
        if (!isConnectionLost(cause)) throw asSetupError(error);
        if (performance.now() >= deadline) throw unreachable(cause);
        await delay(RETRY_MS);
      }
    }
  } finally {
    await database.close();
  }
}

/**
 * Asks once what schema the database has, and changes nothing: null where it has no tables of Easel yet. Raises `StorageSetupError` where
 * the server cannot be reached, or it, the database or the user cannot be used as they are.
 */
export async function lookAtDatabase(options: PostgresOptions): Promise<{ readonly schema: number | null }> {
  await untilReached(options, performance.now());
  const client = new pg.Client(connectionConfig(options));
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ table: string | null }>(
      `SELECT to_regclass('easel.schema_version')::text AS table`,
    );
    if (rows[0]?.table == null) return { schema: null };
    const found = await client.query<{ version: number }>('SELECT version FROM easel.schema_version');
    const schema = found.rows[0]?.version ?? null;
    if (schema !== null && schema > SCHEMA_VERSION) throw new NewerSchemaError(schema, SCHEMA_VERSION);
    return { schema };
  } catch (error) {
    throw refusal(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function migrateAndLog(database: PostgresDatabase, log: Logger): Promise<void> {
  const before = await migrate(database);
  if (before > 0 && before < SCHEMA_VERSION) {
    log.info(
      { from: before, to: SCHEMA_VERSION },
      'the database was migrated; an older Easel does not use it any more',
    );
  }
}

/** Resolves once the server has answered that it can be used. */
async function untilReached(options: PostgresOptions, deadline: number): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await checkServer(options);
      return;
    } catch (error) {
      if (!isPassing(error)) throw refusal(error);
      if (performance.now() >= deadline) throw unreachable(error);
      if (tries === 1) {
        const seconds = Math.ceil((deadline - performance.now()) / 1000);
        const reason = messageOf(error);
        options.log.warn({ reason }, `PostgreSQL cannot be reached yet, and is tried for ${seconds} s`);
      }
      await delay(RETRY_MS);
    }
  }
}

/** Whether the error may be gone at the next try: the server cannot be reached, or has no connection to spare. */
function isPassing(error: unknown): boolean {
  return isConnectionLost(error) || (error as { readonly code?: unknown }).code === TOO_MANY_CONNECTIONS;
}

/** Asks the server for what it must have. */
async function checkServer(options: PostgresOptions): Promise<void> {
  const client = new pg.Client(connectionConfig(options));
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<ServerFacts>(
      `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS named,
        current_setting('transaction_read_only') AS read_only, current_setting('server_encoding') AS encoding`,
    );
    const fault = faultOf(rows[0] as ServerFacts);
    if (fault !== null) throw new StorageSetupError(`DATABASE_URL: ${fault}`);
  } finally {
    await client.end().catch(() => undefined);
  }
}

interface ServerFacts {
  readonly version: number;
  readonly named: string;
  readonly read_only: string;
  readonly encoding: string;
}

/** Why the server cannot be used; null where it can. */
function faultOf({ version, named, read_only, encoding }: ServerFacts): string | null {
  if (version < OLDEST_VERSION) return `the server is PostgreSQL ${named}, and Easel needs 14 or newer`;
  if (read_only === 'on') return 'the server takes no writes: it is a standby, or read-only; name the primary server';
  if (encoding !== 'UTF8') return `the database has the encoding ${encoding}, and Easel needs UTF8`;
  return null;
}

const TOO_MANY_CONNECTIONS = '53300';
const WRONG_PASSWORD = '28P01';
const REFUSED = '28000';
const NO_DATABASE = '3D000';
const NO_RIGHT = '42501';
const READ_ONLY = '25006';

/** The error as `StorageSetupError` where only a change of the settings or of the server ends it; any other is returned unchanged. */
export function asSetupError(error: unknown): unknown {
  const reason = sentenceOf(error);
  return reason === null ? error : new StorageSetupError(`DATABASE_URL: ${reason}`, { cause: error });
}

/** What stands against a connection. It is made of the URL alone, so that whatever is wrong with it is the URL or its server. */
function refusal(error: unknown): unknown {
  if (error instanceof StorageSetupError) return error;
  const reason = sentenceOf(error) ?? `no connection can be made with this URL: ${messageOf(error)}`;
  return new StorageSetupError(`DATABASE_URL: ${reason}`, { cause: error });
}

function unreachable(cause: unknown): StorageSetupError {
  return new StorageSetupError(`DATABASE_URL: PostgreSQL cannot be reached: ${messageOf(cause)}`, { cause });
}

/** What is wrong, for an error that only a change of the settings or of the server ends; null for any other. */
function sentenceOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if (error instanceof NewerSchemaError) return error.message;
  const { code } = error as { readonly code?: unknown };
  const message = messageOf(error);
  switch (code) {
    case WRONG_PASSWORD:
      return 'PostgreSQL refuses the user or the password';
    case REFUSED:
      return `PostgreSQL refuses the connection: ${message}`;
    case NO_DATABASE:
      return `PostgreSQL has no such database: ${message}; make it with createdb`;
    case NO_RIGHT:
      return (
        `the user may not make or use the tables of Easel: ${message}; it needs CONNECT and CREATE on the database, and has to own ` +
        'the tables that are there'
      );
    case READ_ONLY:
      return 'the server takes no writes: it is a standby, or read-only; name the primary server';
  }
  if (NO_PASSWORD.test(message)) return 'PostgreSQL asks for a password; put it into the URL or into PGPASSWORD';
  return /SSL|certificate/i.test(message) ? `the encrypted connection cannot be made: ${message}` : null;
}

/** What pg says where a server asks for a password and there is none. */
const NO_PASSWORD = /client password must be a (?:non-empty )?string/;
