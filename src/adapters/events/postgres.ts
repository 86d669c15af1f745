import type { Image } from '../../core/domain/image.ts';
import type { ImageEvents } from '../../core/ports/image-events.ts';
import type { PostgresDatabase } from '../postgres/database.ts';
import type { PostgresSession } from '../postgres/session.ts';
import { createImageEvents } from './local.ts';
import { readNotice } from './notice.ts';
import { createRereads } from './rereads.ts';
import { openSharedPartials } from './shared-partials.ts';

/** Pub/sub of this process and the other replicas. */
export interface PostgresImageEvents extends ImageEvents {
  /** Listens no more, and takes back what this replica has written for others. */
  close(): Promise<void>;
}

/** Notices of the record store, after each change: `{"mediaId":"…","instance":"…"}`. */
const CHANGED = 'easel_images';
/** Milliseconds between two reads of the records with listeners: a replica that is killed right after a change gives no notice of it. */
const REREAD_MS = 5_000;

/**
 * Opens pub/sub over all replicas of one database. A change here reaches the listeners here at once; of one elsewhere PostgreSQL brings a
 * notice, and the record is read again where somebody listens. After a lost connection, and every few seconds, all records with listeners
 * are read, so that no change is missed.
 */
export async function openPostgresEvents({
  database,
  session,
  records,
  instance,
  rereadMs = REREAD_MS,
}: {
  readonly database: PostgresDatabase;
  readonly session: Pick<PostgresSession, 'listen'>;
  readonly records: { get(mediaId: string): Promise<Image | null> };
  /** The UUID of this replica, which the record store writes into its notices. */
  readonly instance: string;
  readonly rereadMs?: number;
}): Promise<PostgresImageEvents> {
  const local = createImageEvents();
  const rereads = createRereads(async (mediaId) => {
    const image = await records.get(mediaId);
    return () => local.publish(mediaId, image);
  }, local.isListened);
  const readAll = () => {
    for (const mediaId of local.listened()) rereads.ask(mediaId);
  };
  const unlisten = await session.listen(CHANGED, {
    message(payload) {
      const notice = readNotice(payload);
      if (notice && notice.instance !== instance) rereads.ask(notice.mediaId);
    },
    reconnected: readAll,
  });
  const timer = setInterval(readAll, rereadMs);
  timer.unref();
  const partials = await openSharedPartials({ database, session, local, instance });

  return {
    publish(mediaId, image) {
      local.publish(mediaId, image);
      // A read that began before this change must not be published after it.
      rereads.supersede(mediaId);
    },
    wantsPartials: partials.wantsPartials,
    openPartials: partials.openPartials,
    subscribe(mediaId, listener) {
      const unsubscribe = local.subscribe(mediaId, listener);
      if (listener.partial === undefined) return unsubscribe;
      const unwatch = partials.watch(mediaId);
      return () => {
        unsubscribe();
        unwatch();
      };
    },
    async close() {
      clearInterval(timer);
      unlisten();
      await rereads.close();
      await partials.close();
    },
  };
}
