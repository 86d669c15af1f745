import type { Delivery, DeliveryState } from '../domain/delivery.ts';
import type { Image } from '../domain/image.ts';

/**
 * Transactional outbox of webhook deliveries: rows are written with the image change that causes them. A pending delivery outlives its
 * image, until it is delivered or given up. Of those that are settled, the latest `KEPT_DELIVERIES` of an image are kept, as long as
 * the image. Raises `ImageError` like the `RecordStore` that it belongs to, which also closes it. Once a method has resolved, its effect
 * is durable.
 */
export interface Outbox {
  /**
   * The pending delivery that is due first, even if its time has not come, except for these deliveries and receivers. One whose time
   * is after `horizon` (milliseconds since 1970) comes before all others: a wrong clock gave it. One that cannot be read is passed over.
   */
  next(except: DeliveriesUnderWay, horizon: number): Promise<DueDelivery | null>;
  /**
   * Claims a due delivery for one try, for at most `leaseMs`: false where another process has it, or it is gone. `update` ends the claim.
   */
  claim(id: string, leaseMs: number): Promise<boolean>;
  /** Changes one delivery in one transaction, and returns the result; null where there is no such delivery any more. */
  update(id: string, change: (delivery: Delivery) => Delivery): Promise<Delivery | null>;
  /** The latest deliveries about an image, newest first; none about an earlier image of this mediaId, which was deleted. */
  list(mediaId: string): Promise<readonly Delivery[]>;
  /**
   * A page of all deliveries, newest first; one that is added or removed between two pages repeats or hides no other. A pending one is
   * there after its image was removed, too. Takes time only for what it gives.
   */
  page(query: DeliveryQuery): Promise<DeliveryPage>;
  /** Sets the one listener, called whenever a delivery may have become due for another reason than time. It does not raise. */
  onNew(listener: () => void): void;
}

/** How many settled deliveries are kept of one image. */
export const KEPT_DELIVERIES = 20;

/** Filters of `Outbox.page`; all that are set must hold. */
export interface DeliveryQuery {
  readonly limit: number;
  /** Null for any. */
  readonly state: DeliveryState | null;
  /** Only deliveries about images of this owner; null for all. */
  readonly owner: string | null;
  /** `nextCursor` of the previous page. Any other text raises `ImageError` with `invalid_request`. */
  readonly cursor?: string | undefined;
}

export interface DeliveryPage {
  readonly items: readonly Delivery[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/** What is not to be tried now: these deliveries, by id, and all to these receivers. */
export interface DeliveriesUnderWay {
  readonly ids: readonly string[];
  readonly receivers: readonly string[];
}

export interface DueDelivery {
  readonly delivery: Delivery;
  /** The image as it was when it ended. */
  readonly image: Image;
  /** Host and port of the URL. */
  readonly receiver: string;
  /** Milliseconds since 1970. */
  readonly dueAt: number;
}

export interface WebhookSender {
  /**
   * Signs and sends one message, once: an adapter neither retries nor follows redirects. Resolves with any answer, and also where
   * there is none; rejects only with the signal's reason when the signal is aborted.
   */
  send(
    message: { readonly id: string; readonly url: string; readonly body: string },
    signal: AbortSignal,
  ): Promise<WebhookResponse>;
}

/** How one try to send a message ended. */
export interface WebhookResponse {
  /** Null where there was no answer. */
  readonly httpStatus: number | null;
  /** Why the message was not delivered, fit to be shown to the caller; null for 2xx. */
  readonly error: string | null;
  /** True when the SSRF guard refused the address: nothing was sent. */
  readonly refused: boolean;
}
