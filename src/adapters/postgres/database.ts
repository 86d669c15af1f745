import pg from 'pg';
import type { Logger } from 'pino';
import { asImageError, isConflict, isConnectionLost, unavailable } from './errors.ts';

/** A row, by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * Runs statements of a transaction. Those that are begun without waiting for each other are sent at once (pipelined), and the server runs
 * them one after the other; after one that fails, it refuses the others. Wait for all of them: see `allOf`.
 */
export interface Statements {
  /** Runs one statement with `values` for `$1` and on, and returns its rows. */
  run(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /**
   * `run` for a statement that changes no row, such as one that locks: as the first of a transaction, it is sent together with the `BEGIN`,
   * which saves a round trip. It must do no harm where the `BEGIN` fails.
   */
  look(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
}

/**
 * Waits for the answers to statements that were sent at once. Raises the failure of the first one that failed, as those after it fail
 * because of it; not before all are answered, so that none is sent when the transaction has ended.
 */
export async function allOf<T extends readonly unknown[]>(
  answers: readonly [...T],
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(answers);
  for (const answer of answers) await answer;
  return (await Promise.all(answers)) as { -readonly [K in keyof T]: Awaited<T[K]> };
}

/**
 * The pooled connections of this process to PostgreSQL. Every method raises `ImageError` with `storage_full` or `storage_unavailable` where
 * the server cannot be reached or cannot do what is asked at the moment; a write that raises the latter may have taken effect.
 */
export interface PostgresDatabase {
  /** Runs one statement that only reads. It is run again where the connection to the server was lost, but not after 20 seconds. */
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
  /** What takes longer is ended, in milliseconds; 0 for no limit. 15 s by default. */
  readonly statementTimeoutMs?: number;
  /** The longest wait for a connection, for one of the pool that is in use included, in milliseconds; five seconds by default. */
  readonly connectMs?: number;
  readonly log: Logger;
}

/** Times in milliseconds. A statement takes a few of them; what takes longer waits for a lock, a slow disk or a lost network. */
const STATEMENT_TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** How much longer an answer may take than the server's own limit: one that does not come at all is a lost connection. */
const ANSWER_FACTOR = 4 / 3;
const IDLE_TIMEOUT_MS = 30_000;
const MAX_TRIES = 5;

/** Has a connection send statements without waiting for the answer to the one before. Not in the types of pg. */
const PIPELINED = { pipeline: true };

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
  statementTimeoutMs = STATEMENT_TIMEOUT_MS,
  connectMs = CONNECT_TIMEOUT_MS,
}: Pick<PostgresOptions, 'url' | 'applicationName' | 'statementTimeoutMs' | 'connectMs'>): pg.ClientConfig {
  const { connectionString, options } = withoutOptions(url);
  return {
    connectionString,
    application_name: applicationName,
    connectionTimeoutMillis: connectMs,
    statement_timeout: statementTimeoutMs,
    query_timeout: answerTimeoutMs({ statementTimeoutMs }),
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    options: [options, ...Object.entries(SERVER_SETTINGS).map(([name, value]) => `-c ${name}=${value}`)]
      .join(' ')
      .trim(),
  };
}

/** How long an answer may take, in milliseconds; 0 for no limit. */
function answerTimeoutMs({ statementTimeoutMs = STATEMENT_TIMEOUT_MS }: Pick<PostgresOptions, 'statementTimeoutMs'>) {
  return Math.round(statementTimeoutMs * ANSWER_FACTOR);
}

/** The URL without its parameter `options`, which would take the place of Easel's own: the server takes both. */
function withoutOptions(url: string): { readonly connectionString: string; readonly options: string } {
  const [place = '', ...query] = url.split('?');
  const params = new URLSearchParams(query.join('?'));
  const options = params.get('options');
  if (options === null) return { connectionString: url, options: '' };
  params.delete('options');
  return { connectionString: `${place}?${params}`, options };
}

/** Opens the pool, which connects when it is first used. */
export function openPostgres({ poolSize, log, ...options }: PostgresOptions): PostgresDatabase {
  const pool = new pg.Pool({
    ...connectionConfig(options),
    ...PIPELINED,
    max: poolSize,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
  });
  // Without a listener the error of an idle connection would end the process.
  pool.on('error', (error) => log.warn({ reason: error.message }, 'an idle connection to PostgreSQL was lost'));
  // Nor does the pool listen to one that it is closing, whose connection the server may end first.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const longestAnswerMs = options.statementTimeoutMs === 0 ? Number.POSITIVE_INFINITY : answerTimeoutMs(options);
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

  /**
   * Does the work again as long as `mayRepeat` says so of its error, and raises what the ports promise. A caller has waited long enough
   * where an answer did not come at all: the connections that are left in the pool may be as silent.
   */
  async function repeating<T>(work: () => Promise<T>, mayRepeat: (error: unknown) => boolean): Promise<T> {
    const lastBegin = performance.now() + longestAnswerMs;
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        const isLast = tries === MAX_TRIES || performance.now() >= lastBegin;
        if (isLast || isClosed || !mayRepeat(error)) throw asImageError(error);
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
            const begun = client.query('BEGIN');
            begun.catch(() => undefined);
            const send = async (text: string, values: readonly unknown[] = []) =>
              (await client.query<Row>(text, [...values])).rows;
            try {
              const result = await work({
                async run(text, values) {
                  await begun;
                  return await send(text, values);
                },
                async look(text, values) {
                  const [, rows] = await allOf([begun, send(text, values)]);
                  return rows;
                },
              });
              await begun;
              isCommitting = true;
              const { command } = await client.query('COMMIT');
              // What PostgreSQL answers where a statement failed and `work` went on.
              if (command !== 'COMMIT') throw new Error('a transaction with a statement that failed was not committed');
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
