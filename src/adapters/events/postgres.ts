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

/** Notices of the record store, in the transaction of the change: `{"mediaId":"…","instance":"…"}`. */
const CHANGED = 'easel_images';

/**
 * Opens pub/sub over all replicas of one database. A change here reaches the listeners here at once; of one elsewhere PostgreSQL brings a
 * notice, and the record is read again where somebody listens. After a lost connection all records with listeners are read, so that no
 * change is missed.
 */
export async function openPostgresEvents({
  database,
  session,
  records,
  instance,
}: {
  readonly database: PostgresDatabase;
  readonly session: Pick<PostgresSession, 'listen'>;
  readonly records: { get(mediaId: string): Promise<Image | null> };
  /** The UUID of this replica, which the record store writes into its notices. */
  readonly instance: string;
}): Promise<PostgresImageEvents> {
  const local = createImageEvents();
  const rereads = createRereads(async (mediaId) => {
    const image = await records.get(mediaId);
    return () => local.publish(mediaId, image);
  }, local.isListened);
  const unlisten = await session.listen(CHANGED, {
    message(payload) {
      const notice = readNotice(payload);
      if (notice && notice.instance !== instance) rereads.ask(notice.mediaId);
    },
    reconnected() {
      for (const mediaId of local.listened()) rereads.ask(mediaId);
    },
  });
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
      unlisten();
      await rereads.close();
      await partials.close();
    },
  };
}
