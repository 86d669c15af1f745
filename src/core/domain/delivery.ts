import { FINISHED_STATUSES, type FinishedStatus } from './image.ts';

/** A webhook is sent when an image ends; its type says how. */
export type WebhookEvent = `image.${FinishedStatus}`;
export const WEBHOOK_EVENTS: readonly WebhookEvent[] = FINISHED_STATUSES.map((status) => `image.${status}` as const);

/** `failed`: the retries of a day are used up, or the SSRF guard refused the address; `disabled`: the receiver answered 410. */
const UNDELIVERED = ['failed', 'disabled'] as const;

export const DELIVERY_STATUSES = ['pending', 'delivered', ...UNDELIVERED] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/**
 * Where a delivery stands: `pending` before its first try, and after a redelivery of one that had been delivered; `failing` while it is
 * tried again after a try that failed; `failed` once it was given up, `disabled` included.
 */
export const DELIVERY_STATES = ['pending', 'failing', 'failed', 'delivered'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** What a try led to: a final status, or another try. */
export const WEBHOOK_OUTCOMES = ['delivered', 'retried', ...UNDELIVERED] as const;
export type WebhookOutcome = (typeof WEBHOOK_OUTCOMES)[number];

/** One webhook message about one image that ended, with its tries. */
export interface Delivery {
  /** The `webhook-id` header, the same for every try. */
  readonly id: string;
  readonly mediaId: string;
  readonly type: WebhookEvent;
  readonly url: string;
  readonly status: DeliveryStatus;
  /** The latest tries, oldest first. */
  readonly attempts: readonly DeliveryAttempt[];
  /** When the next try is due: ISO 8601, UTC; null unless pending. */
  readonly nextAttemptAt: string | null;
  /**
   * The retry schedule that is in force. Each redelivery starts a new one, with the next number; `firstAt` is the time of its first
   * try (ISO 8601, UTC; null before it), and no try begins later than a day after it.
   */
  readonly series: { readonly number: number; readonly tries: number; readonly firstAt: string | null };
}

/** One try to send a delivery. */
export interface DeliveryAttempt {
  /** When it began: ISO 8601, UTC. */
  readonly at: string;
  readonly durationMs: number;
  /** Null where there was no answer. */
  readonly httpStatus: number | null;
  /** Why it failed; null where it delivered. */
  readonly error: string | null;
}

/** Where this delivery stands. The indexes of both databases follow the same rule. */
export function deliveryStateOf({ status, attempts }: Pick<Delivery, 'status' | 'attempts'>): DeliveryState {
  if (status === 'delivered') return 'delivered';
  if (status !== 'pending') return 'failed';
  return (attempts.at(-1)?.error ?? null) === null ? 'pending' : 'failing';
}
