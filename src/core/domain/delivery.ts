export type WebhookEvent = 'image.succeeded' | 'image.failed' | 'image.cancelled';

/** `pending` is tried until a day is over, then `failed`; `disabled`: the receiver said 410. */
export type DeliveryStatus = 'pending' | 'delivered' | 'failed' | 'disabled';

export interface DeliveryAttempt {
  /** When it began: ISO 8601, UTC. */
  readonly at: string;
  readonly durationMs: number;
  readonly httpStatus: number | null;
  /** Why it did not deliver; null where it did. */
  readonly error: string | null;
}

/** One end of one image that somebody is told of. */
export interface Delivery {
  /** The `webhook-id`, the same for every try. */
  readonly id: string;
  readonly mediaId: string;
  readonly type: WebhookEvent;
  readonly url: string;
  readonly status: DeliveryStatus;
  /** The latest, oldest first. */
  readonly attempts: readonly DeliveryAttempt[];
  /** When it is due: ISO 8601, UTC; null unless pending. */
  readonly nextAttemptAt: string | null;
  /** The tries since it was first, or was again, ordered to be sent; a day is counted from the first of them. */
  readonly series: { readonly number: number; readonly tries: number; readonly firstAt: string | null };
}

export type WebhookOutcome = Exclude<DeliveryStatus, 'pending'> | 'retried';
