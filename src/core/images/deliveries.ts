import type { Delivery } from '../domain/delivery.ts';
import { ImageError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { DeliveryPage, DeliveryQuery, Outbox } from '../ports/webhooks.ts';
import { markForRedelivery } from '../webhooks/delivery.ts';

/** Use cases of an image's webhook deliveries. They leave it to the facade to check the caller. */
export interface Deliveries {
  /** Newest first. */
  list(mediaId: string): Promise<readonly Delivery[]>;
  /** A page of those about all images. */
  page(query: DeliveryQuery): Promise<DeliveryPage>;
  /** Sends a delivery again, whatever its status. Raises `not_found` for one that is not about this image. */
  redeliver(mediaId: string, deliveryId: string): Promise<Delivery>;
}

interface DeliveriesDeps {
  readonly outbox: Pick<Outbox, 'list' | 'page' | 'update'>;
  readonly clock: Pick<Clock, 'now'>;
}

export function createDeliveries({ outbox, clock }: DeliveriesDeps): Deliveries {
  return {
    list: (mediaId) => outbox.list(mediaId),
    page: (query) => outbox.page(query),

    async redeliver(mediaId, deliveryId) {
      const deliveries = await outbox.list(mediaId);
      const known = deliveries.some(({ id }) => id === deliveryId);
      const updated = known && (await outbox.update(deliveryId, (one) => markForRedelivery(one, clock.now())));
      if (!updated) throw new ImageError('not_found', `there is no delivery ${deliveryId} about ${mediaId}`);
      return updated;
    },
  };
}
