import { randomUUID } from 'node:crypto';
import type { PostgresDatabase } from '../postgres/database.ts';
import type { Notice } from './notice.ts';
import { IS_LEASED, LEASE_SECONDS } from './watchers.ts';

/** Channel of notices that the partial pictures of an image have changed. */
export const PARTIALS_CHANNEL = 'easel_partials';

/** The newest partial picture of a call at another replica. */
export interface StoredPartial {
  readonly call: string;
  /** The owner of the image; null where a replica of an older version makes the call. */
  readonly owner: string | null;
  /** Null before the first. */
  readonly index: number | null;
  /** Null where the reader has this one already. */
  readonly bytes: Buffer | null;
}

/** The newest partial picture of each running call, in the table `partials`. */
export interface StoredPartials {
  /** Begins to keep those of a call here. */
  open(mediaId: string, owner: string | null): { keep(bytes: Uint8Array, index: number): void; end(): void };
  /** That of the latest call at another replica; `known` is what the caller has of it. Null where there is no such call. */
  read(mediaId: string, known: Pick<StoredPartial, 'call' | 'index'> | null): Promise<StoredPartial | null>;
  /** The mediaIds of the calls at other replicas. */
  others(): Promise<readonly string[]>;
  /** Renews the leases of the calls here, and removes what replicas that died have left. */
  renew(): Promise<void>;
}

export function createStoredPartials(database: PostgresDatabase, instance: string): StoredPartials {
  const calls = new Set<string>();

  /** Does one write after the other; of partial pictures that come faster, the newest. A picture that is lost is not worth a fault. */
  async function write({ mediaId, owner, call }: StoredCall, queue: Queue): Promise<void> {
    const notice = JSON.stringify({ mediaId, instance } satisfies Notice);
    const run = (text: string, ...values: unknown[]) =>
      database.write(text, [mediaId, call, ...values]).catch(() => undefined);
    await run(OPEN, instance, owner);
    while (!queue.isOver || queue.newest !== null) {
      const { newest } = queue;
      queue.newest = null;
      if (newest !== null) await run(KEEP, newest.index, newest.bytes, notice);
      else await queue.changed.promise;
      queue.changed = Promise.withResolvers();
    }
    await run(END, notice);
  }

  return {
    open(mediaId, owner) {
      const call = randomUUID();
      const queue: Queue = { newest: null, isOver: false, changed: Promise.withResolvers() };
      calls.add(call);
      void write({ mediaId, owner, call }, queue).finally(() => calls.delete(call));
      return {
        keep(bytes, index) {
          queue.newest = { bytes, index };
          queue.changed.resolve();
        },
        end() {
          queue.newest = null;
          queue.isOver = true;
          queue.changed.resolve();
        },
      };
    },
    async read(mediaId, known) {
      const [row] = await database.read(READ, [mediaId, instance, known?.call ?? null, known?.index ?? null]);
      if (!row) return null;
      return {
        call: String(row.call),
        owner: row.owner === null ? null : String(row.owner),
        index: row.index === null ? null : Number(row.index),
        bytes: row.bytes as Buffer | null,
      };
    },
    others: async () => (await database.read(OTHERS, [instance])).map((row) => String(row.media_id)),
    async renew() {
      if (calls.size > 0) await database.write(RENEW, [[...calls]]);
      await database.write(`DELETE FROM easel.partials WHERE NOT (${IS_LEASED})`);
    },
  };
}

interface StoredCall {
  readonly mediaId: string;
  readonly owner: string | null;
  readonly call: string;
}

interface Queue {
  newest: { readonly bytes: Uint8Array; readonly index: number } | null;
  isOver: boolean;
  changed: PromiseWithResolvers<void>;
}

const UNTIL = `now() + interval '${LEASE_SECONDS} seconds'`;

const OPEN = `
  INSERT INTO easel.partials (media_id, call, instance, opened_at, until, owner) VALUES ($1, $2, $3, clock_timestamp(), ${UNTIL}, $4)`;

const KEEP = `
  WITH kept AS (UPDATE easel.partials SET index = $3, bytes = $4, until = ${UNTIL} WHERE media_id = $1 AND call = $2 RETURNING 1)
  SELECT pg_notify('${PARTIALS_CHANNEL}', $5) FROM kept`;

const END = `
  WITH ended AS (DELETE FROM easel.partials WHERE media_id = $1 AND call = $2 RETURNING 1)
  SELECT pg_notify('${PARTIALS_CHANNEL}', $3) FROM ended`;

const RENEW = `UPDATE easel.partials SET until = ${UNTIL} WHERE call = ANY ($1::uuid[])`;

const READ = `
  SELECT call, owner, index, CASE WHEN call = $3::uuid AND index = $4::integer THEN NULL ELSE bytes END AS bytes
  FROM easel.partials WHERE media_id = $1 AND instance <> $2 AND ${IS_LEASED} ORDER BY opened_at DESC LIMIT 1`;

const OTHERS = `SELECT DISTINCT media_id FROM easel.partials WHERE instance <> $1 AND ${IS_LEASED}`;
