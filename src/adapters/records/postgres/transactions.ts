import { setTimeout as delay } from 'node:timers/promises';
import { ImageError } from '../../../core/domain/errors.ts';
import type { PostgresDatabase, Row, Statements } from '../../postgres/database.ts';
import { unavailable } from '../../postgres/errors.ts';

/** Reads and writes of a store that can be closed while the database stays open. */
export interface Transactions {
  /** `PostgresDatabase.read`. Raises `storage_unavailable` once the store is closed, as `write` does. */
  read(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /**
   * `PostgresDatabase.transaction`, which finds out whether it took effect where the connection was lost during its commit: `work` calls
   * `note` with a row that has the transaction's id as `xid` (`XID`). A transaction that is known to have been rolled back is done again.
   * Where the server does not say, `storage_unavailable` is raised, and the write may have taken effect.
   */
  write<T>(work: (statements: Statements, note: (row: Row | undefined) => void) => Promise<T>): Promise<T>;
  /** Refuses what comes from now on, and resolves when nothing is under way. */
  close(): Promise<void>;
}

/** The column by which `note` learns the id of the transaction. */
export const XID = 'pg_current_xact_id()::text AS xid';

/** How often a transaction is done whose commit was cut, and how often the server is asked what became of it. */
const MAX_TRIES = 3;
const MAX_QUESTIONS = 50;
const QUESTION_INTERVAL_MS = 100;

export function createTransactions(database: PostgresDatabase): Transactions {
  let isClosed = false;
  const underWay = new Set<Promise<unknown>>();

  async function tracked<T>(work: () => Promise<T>): Promise<T> {
    if (isClosed) throw unavailable('the records are closed');
    const promise = work();
    underWay.add(promise);
    try {
      return await promise;
    } finally {
      underWay.delete(promise);
    }
  }

  /** Whether a transaction took effect; null where the server does not say. */
  async function isCommitted(xid: string): Promise<boolean | null> {
    for (let questions = 0; questions < MAX_QUESTIONS; questions += 1) {
      const [row] = await database.read('SELECT pg_xact_status($1::xid8) AS status', [xid]).catch(() => []);
      if (row?.status === 'committed') return true;
      if (row?.status === 'aborted') return false;
      // Its process may not have noticed yet that the connection is gone.
      if (row?.status !== 'in progress') return null;
      await delay(QUESTION_INTERVAL_MS);
    }
    return null;
  }

  async function write<T>(work: Parameters<Transactions['write']>[0]): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      let xid: string | null = null;
      let done: { readonly result: T } | null = null;
      try {
        return await database.transaction(async (statements) => {
          xid = null;
          done = null;
          const note = (row: Row | undefined): void => {
            if (row) xid = String(row.xid);
          };
          done = { result: (await work(statements, note)) as T };
          return (done as { readonly result: T }).result;
        });
      } catch (error) {
        if (!isUnavailable(error) || xid === null || done === null) throw error;
        const isStored = await isCommitted(xid);
        if (isStored) return (done as { readonly result: T }).result;
        if (isStored === null || tries === MAX_TRIES) throw error;
      }
    }
  }

  return {
    read: (text, values) => tracked(() => database.read(text, values)),
    write: (work) => tracked(() => write(work)),
    async close() {
      isClosed = true;
      await Promise.allSettled(underWay);
    },
  };
}

function isUnavailable(error: unknown): boolean {
  return error instanceof ImageError && error.code === 'storage_unavailable';
}
