import type { Image } from '../../../core/domain/image.ts';
import { changeOf } from '../../../core/domain/image-change.ts';
import type { PostgresDatabase } from '../../postgres/database.ts';
import { createNotices } from '../../postgres/notices.ts';
import type { PostgresSession } from '../../postgres/session.ts';

/**
 * The channel on which replicas hear of images that were added, changed or removed:
 * `{"mediaId":"…","instance":"…","kind":"…","owner":"…"}`, with the writer's instance, the kind of the change (`ImageChange`; null where
 * no caller sees it) and the image's owner.
 */
export const IMAGES_CHANNEL = 'easel_images';
/** The channel on which replicas hear of deliveries that have become due for another reason than time; the payload names the sender. */
export const DELIVERIES_CHANNEL = 'easel_deliveries';

/** Milliseconds between two looks for deliveries of a replica that was killed before it could announce them. */
const LOOK_MS = 5_000;

/** What the stores of the replicas say to each other of writes that are durable. */
export interface Announcements {
  imageChanged(before: Image | null, after: Image | null): void;
  deliveryDue(): void;
  close(): Promise<void>;
}

interface AnnouncementParts {
  readonly database: PostgresDatabase;
  readonly session: Pick<PostgresSession, 'listen'>;
  /** Names this store, which does not hear itself. */
  readonly instance: string;
  /** Called where a delivery of another replica may be due. */
  readonly onDelivery: () => void;
}

/** Opens them. Resolves once it hears of what others do. */
export async function openAnnouncements({
  database,
  session,
  instance,
  onDelivery,
}: AnnouncementParts): Promise<Announcements> {
  const notices = createNotices(database);
  const stopListening = await session.listen(DELIVERIES_CHANNEL, {
    message(sender) {
      if (sender !== instance) onDelivery();
    },
    reconnected: onDelivery,
  });
  const timer = setInterval(onDelivery, LOOK_MS);
  timer.unref();
  return {
    imageChanged(before, after) {
      const image = after ?? before;
      if (image === null) return;
      const { mediaId, owner } = image;
      const kind = changeOf(before, after)?.kind ?? null;
      notices.send(IMAGES_CHANNEL, JSON.stringify({ mediaId, instance, kind, owner }));
    },
    deliveryDue: () => notices.send(DELIVERIES_CHANNEL, instance),
    async close() {
      clearInterval(timer);
      stopListening();
      await notices.close();
    },
  };
}
