import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresDatabase } from './database.ts';

/** Notifications about what is durable already. */
export interface Notices {
  /** Sends it soon, together with others, and until it has been sent. A process that is killed meanwhile sends nothing. */
  send(channel: string, payload: string): void;
  /** Sends what is left, where the server can be reached, and nothing from then on. */
  close(): Promise<void>;
}

/** Milliseconds until what could not be sent is tried again. */
const RETRY_MS = 1_000;

/**
 * Sends notifications after the commit of what they are about. In the same transaction they would cost every other writer its time:
 * PostgreSQL lets transactions that notify commit one after the other, each with a sync of its own. One that only notifies syncs nothing.
 */
export function createNotices(database: Pick<PostgresDatabase, 'write'>): Notices {
  const waiting = new Map<string, readonly [channel: string, payload: string]>();
  const closing = new AbortController();
  let sending: Promise<void> | null = null;

  /** Of equal ones the last is sent, so that what was said in between comes before it. */
  function put(key: string, notice: readonly [channel: string, payload: string]): void {
    waiting.delete(key);
    waiting.set(key, notice);
  }

  async function sendAll(): Promise<void> {
    while (waiting.size > 0) {
      const batch = [...waiting];
      waiting.clear();
      try {
        await database.write(
          'SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS n (channel, payload)',
          [batch.map(([, [channel]]) => channel), batch.map(([, [, payload]]) => payload)],
        );
      } catch {
        if (closing.signal.aborted) break;
        const later = [...waiting];
        waiting.clear();
        for (const [key, notice] of [...batch, ...later]) put(key, notice);
        await delay(RETRY_MS, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
      }
    }
    sending = null;
  }

  return {
    send(channel, payload) {
      if (closing.signal.aborted) return;
      put(`${channel} ${payload}`, [channel, payload]);
      sending ??= sendAll();
    },
    async close() {
      closing.abort();
      await sending;
    },
  };
}
