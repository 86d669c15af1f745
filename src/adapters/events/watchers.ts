import type { PostgresDatabase } from '../postgres/database.ts';

/** Which replicas have clients that take the partial pictures of an image: leases in the table `watchers`. */
export interface Watchers {
  /** Notes one more client here. Returns the function that takes it back, once. `onFirst` is called for the first of the image. */
  watch(mediaId: string, onFirst: () => void): () => void;
  /** True while a client of another replica takes the partial pictures. */
  hasOthers(mediaId: string): Promise<boolean>;
  /** Renews the leases, and removes those of replicas that have died. */
  renew(): Promise<void>;
}

/** A lease, in seconds, and how often it is renewed, in milliseconds. */
export const LEASE_SECONDS = 30;
export const RENEWAL_MS = 10_000;
/** Of a row with a lease. One that is too long is from before the clock was set back. */
export const IS_LEASED = `until > now() AND until < now() + 2 * interval '${LEASE_SECONDS} seconds'`;

export function createWatchers(database: PostgresDatabase, instance: string): Watchers {
  /** By mediaId, the clients here, and whether the table has the lease. */
  const watches = new Map<string, Watch>();

  function watchOf(mediaId: string): Watch {
    const known = watches.get(mediaId) ?? { clients: 0, isWritten: false, isWriting: false };
    watches.set(mediaId, known);
    return known;
  }

  /** Brings the table to what is so here, one write of an image after the other. What fails is done again at the renewal. */
  async function settle(mediaId: string): Promise<void> {
    const watch = watchOf(mediaId);
    if (watch.isWriting) return;
    watch.isWriting = true;
    try {
      while (watch.clients > 0 !== watch.isWritten) {
        const isWatched = watch.clients > 0;
        await database.write(isWatched ? LEASE : RELEASE, [[mediaId], instance]);
        watch.isWritten = isWatched;
      }
    } catch {
      // The lease of a replica that cannot reach PostgreSQL ends by itself.
    } finally {
      watch.isWriting = false;
      if (watch.clients === 0 && !watch.isWritten) watches.delete(mediaId);
    }
  }

  return {
    watch(mediaId, onFirst) {
      const watch = watchOf(mediaId);
      watch.clients += 1;
      if (watch.clients === 1) void settle(mediaId).then(onFirst);
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        watch.clients -= 1;
        if (watch.clients === 0) void settle(mediaId);
      };
    },
    async hasOthers(mediaId) {
      const rows = await database.read(HAS_OTHERS, [mediaId, instance]);
      return rows.length > 0;
    },
    async renew() {
      const mediaIds = [...watches].flatMap(([mediaId, { clients }]) => (clients > 0 ? [mediaId] : []));
      if (mediaIds.length > 0) await database.write(LEASE, [mediaIds, instance]);
      await database.write(`DELETE FROM easel.watchers WHERE NOT (${IS_LEASED})`);
      for (const mediaId of mediaIds) {
        // Where the last client left meanwhile, the lease was written after it was taken back.
        watchOf(mediaId).isWritten = true;
        await settle(mediaId);
      }
    },
  };
}

interface Watch {
  clients: number;
  isWritten: boolean;
  isWriting: boolean;
}

const LEASE = `
  INSERT INTO easel.watchers SELECT media_id, $2::uuid, now() + interval '${LEASE_SECONDS} seconds' FROM unnest($1::text[]) AS media_id
  ON CONFLICT (media_id, instance) DO UPDATE SET until = excluded.until`;

const RELEASE = 'DELETE FROM easel.watchers WHERE media_id = ANY ($1::text[]) AND instance = $2::uuid';

const HAS_OTHERS = `SELECT FROM easel.watchers WHERE media_id = $1 AND instance <> $2 AND ${IS_LEASED} LIMIT 1`;
