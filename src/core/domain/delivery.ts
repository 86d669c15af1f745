import { FINISHED_STATUSES, type FinishedStatus } from './image.ts';

export type WebhookEvent = `image.${FinishedStatus}`;
export const WEBHOOK_EVENTS: readonly WebhookEvent[] = FINISHED_STATUSES.map((status) => `image.${status}` as const);

const FINAL_DELIVERY_STATUSES = ['delivered', 'failed', 'disabled'] as const;

/** `pending` is tried until a day is over, then `failed`; `disabled`: the receiver said 410. */
export const DELIVERY_STATUSES = ['pending', ...FINAL_DELIVERY_STATUSES] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

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

export const WEBHOOK_OUTCOMES = ['retried', ...FINAL_DELIVERY_STATUSES] as const;
export type WebhookOutcome = (typeof WEBHOOK_OUTCOMES)[number];
