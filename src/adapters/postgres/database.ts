import pg from 'pg';
import type { Logger } from 'pino';
import { asImageError, isConflict, isConnectionLost, unavailable } from './errors.ts';

/** A row, by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>;

/** Runs statements. */
export interface Statements {
  /** Runs one statement with `values` for `$1` and on, and returns its rows. */
  run(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
}

/**
 * The pooled connections of this process to PostgreSQL. Every method raises `ImageError` with `storage_full` or `storage_unavailable` where
 * the server cannot be reached or cannot do what is asked at the moment; a write that raises the latter may have taken effect.
 */
export interface PostgresDatabase {
  /** Runs one statement that only reads. It is run again where the connection to the server was lost. */
  read(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Runs one statement that may write. It is run once. */
  write(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /**
   * Runs a text of one or several statements without values, `BEGIN` and `COMMIT` among them where it needs them, and returns the rows of
   * all. What a failure leaves open is rolled back. It is run once.
   */
  script(text: string): Promise<readonly Row[]>;
  /**
   * Runs `work` in one transaction, which is committed once `work` has resolved, and rolled back where it rejects. It is done again where
   * another transaction stood against it, or the connection was lost before the commit was sent: `work` must repeat its result.
   */
  transaction<T>(work: (statements: Statements) => Promise<T>): Promise<T>;
  /** Resolves when every connection is closed. */
  close(): Promise<void>;
}

/** How to reach the server. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Most connections at a time. */
  readonly poolSize: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  readonly log: Logger;
}

/** Times in milliseconds. A statement takes a few of them; what takes longer waits for a lock, a slow disk or a lost network. */
const STATEMENT_TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Beyond the server's own limit: an answer that does not come at all is a lost connection. */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000;
const IDLE_TIMEOUT_MS = 30_000;
const MAX_TRIES = 5;

/**
 * Settings of the server for a connection. An answer to a commit means that it is durable, whatever the server's own default is. And the
 * server finds out within 15 s that a machine is gone without a word, by asking after 6 s of silence and every 3 s from then on: by the
 * default of Linux the connection, and with it all of its locks, would be kept for two hours.
 */
const SERVER_SETTINGS = {
  synchronous_commit: 'on',
  tcp_keepalives_idle: '6',
  tcp_keepalives_interval: '3',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '15000',
};

/** The settings of one connection. */
export function connectionConfig({
  url,
  applicationName,
}: Pick<PostgresOptions, 'url' | 'applicationName'>): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    options: Object.entries(SERVER_SETTINGS)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  };
}

/** Opens the pool, which connects when it is first used. */
export function openPostgres({ poolSize, log, ...options }: PostgresOptions): PostgresDatabase {
  const pool = new pg.Pool({ ...connectionConfig(options), max: poolSize, idleTimeoutMillis: IDLE_TIMEOUT_MS });
  // Without a listener the error of an idle connection would end the process.
  pool.on('error', (error) => log.warn({ reason: error.message }, 'an idle connection to PostgreSQL was lost'));
  // Nor does the pool listen to one that it is closing, whose connection the server may end first.
  pool.on('connect', (client) => client.on('error', () => undefined));
  let isClosed = false;

  /** Lends `work` a connection, and gives it back: to be closed where it was lost. */
  async function withClient<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    if (isClosed) throw unavailable('the connections to PostgreSQL are closed');
    const client = await pool.connect();
    let lost: Error | undefined;
    const onError = (error: Error) => {
      lost = error;
    };
    client.on('error', onError);
    try {
      return await work(client);
    } catch (error) {
      if (isConnectionLost(error)) lost = error as Error;
      throw error;
    } finally {
      client.off('error', onError);
      client.release(lost);
    }
  }

  /** Does the work again as long as `mayRepeat` says so of its error, and raises what the ports promise. */
  async function repeating<T>(work: () => Promise<T>, mayRepeat: (error: unknown) => boolean): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        if (tries === MAX_TRIES || isClosed || !mayRepeat(error)) throw asImageError(error);
      }
    }
  }

  const run = (text: string, values: readonly unknown[] = []) =>
    withClient(async (client) => (await client.query<Row>(text, [...values])).rows);

  return {
    read: (text, values) => repeating(() => run(text, values), isConnectionLost),
    write: (text, values) =>
      repeating(
        () => run(text, values),
        () => false,
      ),

    script: (text) =>
      repeating(
        () =>
          withClient(async (client) => {
            try {
              // Several statements have a result each, which the types of pg leave out.
              const results: pg.QueryResult<Row> | readonly pg.QueryResult<Row>[] = await client.query<Row>(text);
              return [results].flat().flatMap(({ rows }) => rows);
            } catch (error) {
              // A connection must not go back to the pool with a transaction that has failed.
              await client.query('ROLLBACK').catch(() => undefined);
              throw error;
            }
          }),
        () => false,
      ),

    async transaction(work) {
      let isCommitting = false;
      return await repeating(
        () =>
          withClient(async (client) => {
            isCommitting = false;
            await client.query('BEGIN');
            try {
              const result = await work({
                run: async (text, values = []) => (await client.query<Row>(text, [...values])).rows,
              });
              isCommitting = true;
              await client.query('COMMIT');
              return result;
            } catch (error) {
              // A connection that is lost has rolled back already.
              await client.query('ROLLBACK').catch(() => undefined);
              throw error;
            }
          }),
        (error) => isConflict(error) || (isConnectionLost(error) && !isCommitting),
      );
    },

    async close() {
      isClosed = true;
      await pool.end();
    },
  };
}
