import type { Delivery } from '../domain/delivery.ts';
import type { Image } from '../domain/image.ts';

export interface DueDelivery {
  readonly delivery: Delivery;
  /** As it was when it ended. */
  readonly image: Image;
  /** Host and port. */
  readonly receiver: string;
  /** Milliseconds since 1970. */
  readonly dueAt: number;
}

/**
 * Transactional outbox of webhook deliveries: rows are written with the image change that causes them.
 * Raises `ImageError` like the `RecordStore` that it belongs to.
 */
export interface Outbox {
  /** The pending delivery that is due first, whether its time has come or not, but for these deliveries and receivers. */
  next(except: { readonly ids: readonly string[]; readonly receivers: readonly string[] }): Promise<DueDelivery | null>;
  /** Changes one delivery in one transaction, and gives what is then stored; null where it is gone with its image. */
  update(id: string, change: (delivery: Delivery) => Delivery): Promise<Delivery | null>;
  /** The latest deliveries about an image, newest first. */
  list(mediaId: string): Promise<readonly Delivery[]>;
  /** Calls back whenever a delivery may have become due other than by time. There is one such listener. */
  onNew(listener: () => void): void;
}

export interface WebhookResponse {
  /** Null where there was no answer. */
  readonly httpStatus: number | null;
  /** Why it is no delivery; null for 2xx. Fit for the caller. */
  readonly error: string | null;
  /** The address is not one to be reached: nothing was sent. */
  readonly refused: boolean;
}

export interface WebhookSender {
  /** Signs and sends one message. Raises the signal's reason when that fires, and nothing else. */
  send(
    message: { readonly id: string; readonly url: string; readonly body: string },
    signal: AbortSignal,
  ): Promise<WebhookResponse>;
}
