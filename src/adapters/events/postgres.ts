import type { Image } from '../../core/domain/image.ts';
import type { ImageChange } from '../../core/domain/image-change.ts';
import type { ImageEvents } from '../../core/ports/image-events.ts';
import type { PostgresDatabase } from '../postgres/database.ts';
import { createNotices } from '../postgres/notices.ts';
import type { PostgresSession } from '../postgres/session.ts';
import { createImageEvents } from './local.ts';
import { createLostReplicas } from './lost-replicas.ts';
import { type ChangeNotice, readNotice } from './notice.ts';
import { createRemoteChanges } from './remote-changes.ts';
import { createRereads } from './rereads.ts';
import { openSharedPartials } from './shared-partials.ts';

/** Pub/sub of this process and the other replicas. */
export interface PostgresImageEvents extends ImageEvents {
  /** Listens no more, and takes back what this replica has written for others. */
  close(): Promise<void>;
}

/** Notices of the record store, after each change: `{"mediaId":"…","instance":"…","kind":"…","owner":"…"}`. */
const CHANGED = 'easel_images';
/** Notices of changes that could not be announced; the payload names the sender. */
const MISSED = 'easel_missed';
/** Milliseconds between two reads of the records with listeners: a replica that is killed right after a change gives no notice of it. */
const REREAD_MS = 5_000;

/**
 * Opens pub/sub over all replicas of one database. A change here reaches the listeners here at once; of one elsewhere PostgreSQL brings a
 * notice, and the record is read again where somebody listens. After a lost connection, and every few seconds, all records with listeners
 * are read, so that no change is missed. Those who listen to all images learn that they may have missed some: after a lost connection, and
 * when a replica is gone, which may have been killed between a change and its notice.
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
  const changes = createRemoteChanges();
  const announce = (change: ImageChange | 'missed') => {
    if (change === 'missed') local.missed();
    else local.announce(change);
  };
  const rereads = createRereads(
    async (mediaId) => {
      const image = await records.get(mediaId);
      return () => {
        local.publish(mediaId, image);
        for (const change of changes.take(mediaId, image)) announce(change);
      };
    },
    (mediaId) => local.isListened(mediaId) || changes.isAwaited(mediaId),
  );
  const readAll = () => {
    for (const mediaId of local.listened()) rereads.ask(mediaId);
  };
  const hear = (notice: ChangeNotice) => {
    const change = local.areAllListened() ? changes.note(notice) : null;
    if (change !== null) announce(change);
    rereads.ask(notice.mediaId);
  };
  const unlisten = [
    await session.listen(CHANGED, {
      message(payload) {
        const notice = readNotice(payload);
        if (notice && notice.instance !== instance) hear(notice);
      },
      reconnected() {
        readAll();
        local.missed();
      },
    }),
    await session.listen(MISSED, {
      message(sender) {
        if (sender !== instance) local.missed();
      },
      reconnected: () => undefined,
    }),
  ];
  const notices = createNotices(database);
  const lost = createLostReplicas(database, () => local.missed());
  const timer = setInterval(() => {
    readAll();
    if (local.areAllListened()) void lost.look();
    else lost.forget();
  }, rereadMs);
  timer.unref();
  const partials = await openSharedPartials({ database, session, local, instance });

  return {
    publish(mediaId, image) {
      local.publish(mediaId, image);
      // A read that began before this change must not be published after it.
      rereads.supersede(mediaId);
    },
    announce(change) {
      local.announce(change);
      rereads.supersede(change.mediaId);
    },
    missed() {
      local.missed();
      notices.send(MISSED, instance);
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
    subscribeToAll(listener) {
      const unsubscribe = local.subscribeToAll(listener);
      partials.readAll();
      void lost.look();
      return () => {
        unsubscribe();
        if (local.areAllListened()) return;
        changes.clear();
        partials.dropUntaken();
      };
    },
    async close() {
      clearInterval(timer);
      for (const end of unlisten) end();
      await rereads.close();
      await lost.close();
      await notices.close();
      await partials.close();
    },
  };
}
