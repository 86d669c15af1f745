import type { CallPartials, ImageEvents } from '../../core/ports/image-events.ts';
import type { PostgresDatabase } from '../postgres/database.ts';
import type { PostgresSession } from '../postgres/session.ts';
import type { LocalImageEvents } from './local.ts';
import { readNotice } from './notice.ts';
import { createRereads } from './rereads.ts';
import { createStoredPartials, PARTIALS_CHANNEL } from './stored-partials.ts';
import { createWatchers, RENEWAL_MS } from './watchers.ts';

/** The partial pictures of calls at all replicas. */
export interface SharedPartials extends Pick<ImageEvents, 'wantsPartials' | 'openPartials'> {
  /** Notes a client here that takes those of an image. Returns the function that takes it back. */
  watch(mediaId: string): () => void;
  /** Reads the newest of every call at another replica: for a client that takes those of all images. */
  readAll(): void;
  /** Drops what no client here takes any more. */
  dropUntaken(): void;
  close(): Promise<void>;
}

/** A call at another replica, as the listeners here see it. */
interface RemoteCall {
  readonly call: string;
  readonly partials: CallPartials;
  index: number | null;
}

/**
 * Opens the partial pictures over all replicas. Their bytes go through the database, as a notification holds 8,000 bytes; the newest of a
 * call at another replica is kept here while a client takes them, as for a call here.
 */
export async function openSharedPartials({
  database,
  session,
  local,
  instance,
}: {
  readonly database: PostgresDatabase;
  readonly session: Pick<PostgresSession, 'listen'>;
  readonly local: LocalImageEvents;
  readonly instance: string;
}): Promise<SharedPartials> {
  const watchers = createWatchers(database, instance);
  const stored = createStoredPartials(database, instance);
  const remote = new Map<string, RemoteCall>();

  function dropRemote(mediaId: string): void {
    remote.get(mediaId)?.partials[Symbol.dispose]();
    remote.delete(mediaId);
  }

  const rereads = createRereads(async (mediaId) => {
    const newest = await stored.read(mediaId, remote.get(mediaId) ?? null);
    return () => {
      if (newest === null || remote.get(mediaId)?.call !== newest.call) dropRemote(mediaId);
      if (newest === null || newest.index === null || newest.bytes === null || !local.takesPartials(mediaId)) return;
      const call = remote.get(mediaId) ?? {
        call: newest.call,
        partials: local.openPartials({ mediaId, owner: newest.owner }),
        index: null,
      };
      remote.set(mediaId, call);
      call.index = newest.index;
      call.partials.sink(newest.bytes, newest.index);
    };
  }, local.takesPartials);

  async function readAll(): Promise<void> {
    for (const mediaId of local.listened()) rereads.ask(mediaId);
    if (!local.areAllListened()) return;
    // What cannot be found now comes with the next partial picture.
    for (const mediaId of await stored.others().catch(() => [])) rereads.ask(mediaId);
  }
  const unlisten = await session.listen(PARTIALS_CHANNEL, {
    message(payload) {
      const notice = readNotice(payload);
      if (notice && notice.instance !== instance) rereads.ask(notice.mediaId);
    },
    reconnected: () => void readAll(),
  });

  async function renew(): Promise<void> {
    await Promise.all([watchers.renew(), stored.renew()]);
    // A call of a replica that died has ended without a notice.
    for (const mediaId of remote.keys()) rereads.ask(mediaId);
  }

  let renewing = Promise.resolve();
  const renewal = setInterval(() => {
    // What fails now is done the next time.
    renewing = renew().catch(() => undefined);
  }, RENEWAL_MS);
  renewal.unref();

  return {
    async wantsPartials(mediaId) {
      // A call goes without them where the database cannot say.
      return local.isWatched(mediaId) || (await watchers.hasOthers(mediaId).catch(() => false));
    },
    openPartials({ mediaId, owner }) {
      const here = local.openPartials({ mediaId, owner });
      const everywhere = stored.open(mediaId, owner);
      return {
        sink(bytes, index) {
          here.sink(bytes, index);
          everywhere.keep(bytes, index);
        },
        [Symbol.dispose]() {
          here[Symbol.dispose]();
          everywhere.end();
        },
      };
    },
    watch(mediaId) {
      const unwatch = watchers.watch(mediaId, () => rereads.ask(mediaId));
      return () => {
        unwatch();
        if (!local.takesPartials(mediaId)) dropRemote(mediaId);
      };
    },
    readAll: () => void readAll(),
    dropUntaken() {
      for (const mediaId of remote.keys()) if (!local.takesPartials(mediaId)) dropRemote(mediaId);
    },
    async close() {
      clearInterval(renewal);
      unlisten();
      await rereads.close();
      await renewing;
      // The leases of a replica that cannot reach the database end by themselves.
      await database.write('DELETE FROM easel.watchers WHERE instance = $1', [instance]).catch(() => undefined);
      await database.write('DELETE FROM easel.partials WHERE instance = $1', [instance]).catch(() => undefined);
    },
  };
}
