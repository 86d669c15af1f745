/** What there is to tell by webhook, and when a delivery is tried again. Everything here is pure. */

import type { Delivery, DeliveryAttempt, DeliveryStatus, WebhookEvent } from '../domain/delivery.ts';
import { type Image, isFinished } from '../domain/image.ts';
import { type MediaUrls, toRecord } from '../domain/record.ts';
import type { WebhookResponse } from '../ports/webhooks.ts';

/**
 * Tries of one delivery that are kept, the latest: a day takes some 15, and each redelivery as many again.
 */
const MAX_ATTEMPTS_KEPT = 20;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** No try begins later than this after the first. */
const RETRY_PERIOD_MS = 24 * HOUR_MS;
/** So short that two tries that took all their time leave the second retry inside the first half minute. */
const FIRST_DELAYS_MS = [3 * SECOND_MS, 6 * SECOND_MS];
const MAX_DELAY_MS = 4 * HOUR_MS;

/** The event that a change of an image is, or null: it has ended now and had not before. */
export function webhookEventOf(before: Image | null, after: Image): WebhookEvent | null {
  if (before !== null && isFinished(before.status)) return null;
  return isFinished(after.status) ? `image.${after.status}` : null;
}

/** A delivery that is due at once. */
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

/** What is sent: the event, when it happened, and the record as it was then, with URLs that hold now. */
export function deliveryBody({ type }: Delivery, image: Image, urls: MediaUrls): string {
  return JSON.stringify({ type, timestamp: image.completedAt, data: toRecord(image, urls) });
}

/**
 * Milliseconds to wait after a try that failed, or null when it was the last. 3 and 6 s, then 1 min, 3, 9 and so on up to 4 h,
 * each shortened by up to half (`random` is in [0, 1)) so that what failed together does not come back together; the last
 * try is a day after the first.
 */
export function deliveryRetryDelay(tries: number, elapsedMs: number, random: () => number): number | null {
  if (elapsedMs >= RETRY_PERIOD_MS) return null;
  const gap =
    FIRST_DELAYS_MS[tries - 1] ?? Math.min(MAX_DELAY_MS, MINUTE_MS * 3 ** (tries - FIRST_DELAYS_MS.length - 1));
  return Math.ceil(Math.min(gap * (1 - random() / 2), RETRY_PERIOD_MS - elapsedMs));
}

/** A try that has ended: when it began and ended, in milliseconds since 1970, and what came of it. */
export interface CompletedTry {
  readonly began: number;
  readonly ended: number;
  readonly answer: WebhookResponse;
}

/**
 * The delivery after a try of `tried`, which is how it stood when the try began. 2xx is delivered, 410 forbids any more, and
 * an address that the guard refuses is final too, since waiting mends nothing. All else, redirects included, is tried again.
 */
export function recordTry(
  delivery: Delivery,
  attempted: Delivery,
  { began, ended, answer }: CompletedTry,
  random: () => number,
): Delivery {
  const { httpStatus, error, refused } = answer;
  const at = new Date(began).toISOString();
  const attempt: DeliveryAttempt = { at, durationMs: ended - began, httpStatus, error };
  const attempts = [...delivery.attempts, attempt].slice(-MAX_ATTEMPTS_KEPT);
  // It was ordered to be sent again meanwhile, and this try was not yet for that.
  if (delivery.series.number !== attempted.series.number) return { ...delivery, attempts };

  const series = { ...delivery.series, tries: delivery.series.tries + 1, firstAt: delivery.series.firstAt ?? at };
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

/** The delivery as one that is to be sent again, with a day of its own, at `now` (milliseconds since 1970). */
export function markForRedelivery(delivery: Delivery, now: number): Delivery {
  return {
    ...delivery,
    status: 'pending',
    nextAttemptAt: new Date(now).toISOString(),
    series: { number: delivery.series.number + 1, tries: 0, firstAt: null },
  };
}
