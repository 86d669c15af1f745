/** Webhook deliveries as values: which event a change produces, the retry schedule, the state after a try. Pure. */

import type { Delivery, DeliveryAttempt, DeliveryStatus, WebhookEvent } from '../domain/delivery.ts';
import { type Image, isFinished, isRepair } from '../domain/image.ts';
import type { ToRecord } from '../domain/record.ts';
import type { WebhookResponse } from '../ports/webhooks.ts';

/** How many of the latest tries of a delivery are kept. A day takes some 15, and each redelivery as many again. */
const MAX_ATTEMPTS_KEPT = 20;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** Tries end this long after the first one. */
const RETRY_PERIOD_MS = 24 * HOUR_MS;
/** Short enough that the second retry begins within 30 s although the two tries before it ran into their timeout of 10 s. */
const FIRST_DELAYS_MS = [3 * SECOND_MS, 6 * SECOND_MS];
/** The longest gap between two tries. A delivery that is due later than this from now has its time from a wrong clock. */
export const MAX_DELAY_MS = 4 * HOUR_MS;

/**
 * The webhook event of a change that ended the run of the image, else null. `before` is null for a new image. A repair gives none,
 * however it ends: the event of its run was sent when the image first completed.
 */
export function webhookEventOf(before: Image | null, after: Image): WebhookEvent | null {
  if (before !== null && (isFinished(before.status) || isRepair(before))) return null;
  return isFinished(after.status) ? `image.${after.status}` : null;
}

/** A new delivery, due at once. */
export function newDelivery(id: string, type: WebhookEvent, url: string, image: Image): Delivery {
  const nextAttemptAt = image.completedAt ?? image.createdAt;
  return {
    id,
    mediaId: image.mediaId,
    type,
    url,
    status: 'pending',
    attempts: [],
    nextAttemptAt,
    series: { number: 1, tries: 0, firstAt: null },
  };
}

/** The JSON body of a delivery: the event, its time, and the record as it was then, with URLs that are valid now. */
export async function deliveryBody({ type }: Delivery, image: Image, toRecord: ToRecord): Promise<string> {
  return JSON.stringify({ type, timestamp: image.completedAt, data: await toRecord(image) });
}

/**
 * The delay after failed try number `tries`, in milliseconds, or null when that was the last; `elapsedMs` is the time since the
 * first try began. Exponential backoff with jitter: 3 s and 6 s, then 1 min, 3 min, 9 min and so on up to 4 h, each shortened by up
 * to half (`random` is in [0, 1)) so that deliveries that failed together are not retried at the same moment (thundering herd).
 * The last try is a day after the first.
 */
export function deliveryRetryDelay(tries: number, elapsedMs: number, random: () => number): number | null {
  if (elapsedMs >= RETRY_PERIOD_MS) return null;
  const gap =
    FIRST_DELAYS_MS[tries - 1] ?? Math.min(MAX_DELAY_MS, MINUTE_MS * 3 ** (tries - FIRST_DELAYS_MS.length - 1));
  return Math.ceil(Math.min(gap * (1 - random() / 2), RETRY_PERIOD_MS - elapsedMs));
}

/** A try that has ended; times in milliseconds since 1970. */
interface CompletedTry {
  readonly began: number;
  readonly ended: number;
  readonly durationMs: number;
  readonly answer: WebhookResponse;
}

/**
 * The delivery after a try. `attempted` is the delivery as it was when the try began. A 2xx makes it delivered, a 410 disabled,
 * and an address that the SSRF guard refuses makes it failed at once, since a retry would be refused too. Every other outcome,
 * redirects included, is tried again until the day is over.
 */
export function recordTry(
  delivery: Delivery,
  attempted: Delivery,
  { began, ended, durationMs, answer }: CompletedTry,
  random: () => number,
): Delivery {
  const { httpStatus, error, refused } = answer;
  const at = new Date(began).toISOString();
  const attempt: DeliveryAttempt = { at, durationMs, httpStatus, error };
  const attempts = [...delivery.attempts, attempt].slice(-MAX_ATTEMPTS_KEPT);
  // A redelivery was requested during this try, so its outcome does not count for the new series.
  if (delivery.series.number !== attempted.series.number) return { ...delivery, attempts };

  const { firstAt } = delivery.series;
  // A first try in the future was dated by a wrong clock, and the day of tries would not end.
  const isKnown = firstAt !== null && Date.parse(firstAt) <= began;
  const series = { ...delivery.series, tries: delivery.series.tries + 1, firstAt: isKnown ? firstAt : at };
  const settled = (status: Exclude<DeliveryStatus, 'pending'>): Delivery => ({
    ...delivery,
    attempts,
    series,
    status,
    nextAttemptAt: null,
  });
  if (error === null) return settled('delivered');
  if (httpStatus === 410) return settled('disabled');
  const delayMs = refused ? null : deliveryRetryDelay(series.tries, ended - Date.parse(series.firstAt), random);
  if (delayMs === null) return settled('failed');
  return { ...delivery, attempts, series, nextAttemptAt: new Date(ended + delayMs).toISOString() };
}

/** The delivery as pending again, due at `now` (milliseconds since 1970), with a new series of tries and a day of its own. */
export function markForRedelivery(delivery: Delivery, now: number): Delivery {
  return {
    ...delivery,
    status: 'pending',
    nextAttemptAt: new Date(now).toISOString(),
    series: { number: delivery.series.number + 1, tries: 0, firstAt: null },
  };
}
