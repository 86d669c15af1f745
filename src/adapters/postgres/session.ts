import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { LockMode } from '../../core/ports/locks.ts';
import { connectionConfig, type PostgresOptions } from './database.ts';
import { asImageError, unavailable } from './errors.ts';

/** What a listener of a channel is called for. Neither function may raise. */
export interface ChannelListener {
  /** A notification, with its payload. */
  message(payload: string): void;
  /** The connection was made anew: notifications may have been missed meanwhile. */
  reconnected(): void;
}

/**
 * One connection that is kept open: for LISTEN, and for advisory locks, which end with it. Where it is lost, it is made again, with growing
 * waits of up to two seconds, and listens again; locks that were held are then gone.
 */
export interface PostgresSession {
  /** Listens to a channel until the returned function is called. Resolves once notifications come. */
  listen(channel: string, listener: ChannelListener): Promise<() => void>;
  /**
   * Takes PostgreSQL's advisory lock of this name for the session, or resolves to null where another session has it. This session could
   * take it twice, so callers in this process need an order of their own. Raises `ImageError` with `storage_unavailable`.
   */
  tryLock(name: string, mode: LockMode): Promise<AsyncDisposable | null>;
  /** For how long it has been connected, in milliseconds; null while it is not. */
  connectedMs(): number | null;
  close(): Promise<void>;
}

const MIN_WAIT_MS = 100;
const MAX_WAIT_MS = 2_000;
/** A connection over which nothing comes could be a dead one: it is asked at this interval, in milliseconds. */
const PROBE_INTERVAL_MS = 5_000;

/** Opens the session. Raises `ImageError` where the server cannot be reached. */
export async function openSession(options: Omit<PostgresOptions, 'poolSize'>): Promise<PostgresSession> {
  const { log } = options;
  const listeners = new Map<string, Set<ChannelListener>>();
  let client: pg.Client | null = null;
  let connectedAt: number | null = null;
  let isClosed = false;
  /** The last answer that each connection has been asked for. */
  const lines = new WeakMap<pg.Client, Promise<unknown>>();

  /** Asks one thing after another: pg is to give up its own waiting line of a connection. */
  function ask(which: pg.Client, text: string, values: unknown[] = []): Promise<pg.QueryResult> {
    const answer = (lines.get(which) ?? Promise.resolve()).then(() => which.query(text, values));
    lines.set(
      which,
      answer.catch(() => undefined),
    );
    return answer;
  }

  async function connect(): Promise<void> {
    const next = new pg.Client(connectionConfig(options));
    // Without a listener, a connection that the server ends would end the process.
    next.on('error', (error) => lost(next, error));
    next.on('end', () => lost(next, new Error('the connection was closed')));
    next.on('notification', ({ channel, payload = '' }) => {
      for (const listener of listeners.get(channel) ?? []) listener.message(payload);
    });
    try {
      await next.connect();
      for (const channel of listeners.keys()) await next.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
      if (isClosed) throw unavailable('the connection to PostgreSQL is closed');
    } catch (error) {
      await next.end().catch(() => undefined);
      throw error;
    }
    client = next;
    connectedAt = performance.now();
  }

  function lost(which: pg.Client, error: Error): void {
    if (client !== which) return;
    client = null;
    connectedAt = null;
    void which.end().catch(() => undefined);
    if (isClosed) return;
    log.warn({ reason: error.message }, 'the connection to PostgreSQL was lost, and is made again');
    void reconnect();
  }

  async function reconnect(): Promise<void> {
    for (let waitMs = MIN_WAIT_MS; !isClosed; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
      await delay(waitMs, undefined, { ref: false });
      try {
        await connect();
      } catch {
        continue;
      }
      log.info('connected to PostgreSQL again');
      for (const listener of [...listeners.values()].flatMap((all) => [...all])) listener.reconnected();
      return;
    }
  }

  const probe = setInterval(() => {
    const probed = client;
    if (probed) ask(probed, 'SELECT 1').catch((error: Error) => lost(probed, error));
  }, PROBE_INTERVAL_MS);
  probe.unref();

  /** The present connection. */
  function connected(): pg.Client {
    if (client === null) throw unavailable('PostgreSQL cannot be reached: the connection was lost');
    return client;
  }

  try {
    await connect();
  } catch (error) {
    clearInterval(probe);
    throw asImageError(error);
  }

  return {
    connectedMs: () => (connectedAt === null ? null : performance.now() - connectedAt),

    async listen(channel, listener) {
      const known = listeners.get(channel) ?? new Set();
      listeners.set(channel, known.add(listener));
      // Where the connection is lost, the next one listens.
      if (known.size === 1)
        await (client && ask(client, `LISTEN ${pg.escapeIdentifier(channel)}`).catch(() => undefined));
      return () => {
        known.delete(listener);
        if (known.size > 0 || listeners.get(channel) !== known) return;
        listeners.delete(channel);
        if (client) ask(client, `UNLISTEN ${pg.escapeIdentifier(channel)}`).catch(() => undefined);
      };
    },

    async tryLock(name, mode) {
      const suffix = mode === 'shared' ? '_shared' : '';
      const holder = connected();
      try {
        const { rows } = await ask(holder, `SELECT pg_try_advisory_lock${suffix}(hashtextextended($1, 0)) AS taken`, [
          name,
        ]);
        if (!rows[0]?.taken) return null;
      } catch (error) {
        throw asImageError(error);
      }
      return {
        // A lock of a connection that was lost is gone.
        async [Symbol.asyncDispose]() {
          if (client !== holder) return;
          await ask(holder, `SELECT pg_advisory_unlock${suffix}(hashtextextended($1, 0))`, [name]).catch(
            () => undefined,
          );
        },
      };
    },

    async close() {
      isClosed = true;
      clearInterval(probe);
      const last = client;
      client = null;
      await last?.end().catch(() => undefined);
    },
  };
}
