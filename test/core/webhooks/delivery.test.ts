import { describe, expect, it, test } from 'vitest';
import type { Delivery } from '../../../src/core/domain/delivery.ts';
import { FINISHED_STATUSES, type ImageStatus, isFinished } from '../../../src/core/domain/image.ts';
import type { WebhookResponse } from '../../../src/core/ports/webhooks.ts';
import {
  deliveryRetryDelay,
  markForRedelivery,
  newDelivery,
  recordTry,
  webhookEventOf,
} from '../../../src/core/webhooks/delivery.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { randomOf } from '../../support/random.ts';

const DAY_MS = 86_400_000;
const start = Date.UTC(2026, 10, 23, 16);
const fresh = newDelivery('msg_1', 'image.succeeded', 'https://example.com/hook', exampleImage());
const ok: WebhookResponse = { httpStatus: 204, error: null, refused: false };
const failed: WebhookResponse = { httpStatus: 500, error: 'the receiver answered 500', refused: false };

/** Tries that each fail after `tryMs` milliseconds; `times` are their beginnings, in milliseconds after the first. */
function failingTries(tryMs: number, random: () => number): { readonly times: number[]; readonly last: Delivery } {
  const times: number[] = [];
  let delivery: Delivery = { ...fresh, nextAttemptAt: new Date(start).toISOString() };
  while (delivery.nextAttemptAt !== null) {
    const began = Date.parse(delivery.nextAttemptAt);
    times.push(began - start);
    delivery = recordTry(
      delivery,
      delivery,
      { began, ended: began + tryMs, durationMs: tryMs, answer: failed },
      random,
    );
  }
  return { times, last: delivery };
}

describe('the retry schedule', () => {
  test.each([
    ['without jitter', () => 0],
    ['with the most jitter', () => 0.999_999],
    ['with random jitter', randomOf('tries')],
  ])(
    '%s: two retries within 30 s though each try takes its 10 s, growing gaps, the last after a day',
    (_how, random) => {
      const { times, last } = failingTries(10_000, random);
      expect(times[2]).toBeLessThanOrEqual(30_000);
      expect(times[3]).toBeGreaterThan(30_000);
      expect(times.at(-1)).toBeGreaterThanOrEqual(DAY_MS - 20_000);
      expect(times.at(-1)).toBeLessThanOrEqual(DAY_MS);
      expect(times.length).toBeGreaterThan(10);
      expect(times.length).toBeLessThan(25);
      expect([last.status, last.nextAttemptAt]).toEqual(['failed', null]);
      expect(last.attempts.length).toBeLessThanOrEqual(20);
    },
  );

  test('delays grow threefold up to four hours, and are shortened by at most half', () => {
    const gaps = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((tries) => deliveryRetryDelay(tries, 0, () => 0));
    expect(gaps).toEqual([3, 6, 60, 180, 540, 1620, 4860, 14_400, 14_400].map((seconds) => seconds * 1000));
    expect(deliveryRetryDelay(3, 0, () => 0.5)).toBe(45_000);
    expect(deliveryRetryDelay(3, DAY_MS - 1, () => 0)).toBe(1);
    expect(deliveryRetryDelay(3, DAY_MS, () => 0)).toBeNull();
  });
});

describe('a try', () => {
  test.each<[string, WebhookResponse, string, string | null]>([
    ['that is accepted delivers', ok, 'delivered', null],
    ['that is answered with 410 disables', { ...failed, httpStatus: 410 }, 'disabled', null],
    ['that redirects is repeated', { ...failed, httpStatus: 307 }, 'pending', '2026-11-23T16:00:03.250Z'],
    ['that fails is repeated', failed, 'pending', '2026-11-23T16:00:03.250Z'],
    ['that has no answer is repeated', { ...failed, httpStatus: null }, 'pending', '2026-11-23T16:00:03.250Z'],
    ['that the guard refuses fails for good', { httpStatus: null, error: 'no', refused: true }, 'failed', null],
  ])('%s', (_what, answer, status, nextAttemptAt) => {
    const after = recordTry(fresh, fresh, { began: start, ended: start + 1000, durationMs: 1000, answer }, () => 0.5);
    expect(after).toMatchObject({ id: 'msg_1', status, nextAttemptAt });
    const { httpStatus, error } = answer;
    expect(after.attempts).toEqual([{ at: '2026-11-23T16:00:00.000Z', durationMs: 1000, httpStatus, error }]);
  });

  it('does not settle a delivery whose redelivery was requested while it ran', () => {
    const redelivered = markForRedelivery(fresh, start);
    const after = recordTry(redelivered, fresh, { began: start, ended: start + 1, durationMs: 1, answer: ok }, () => 0);
    expect(after).toEqual({ ...redelivered, attempts: [expect.objectContaining({ httpStatus: 204 })] });
  });

  it('whose series was dated by a clock a day ahead has a day of its own from now', () => {
    const series = { number: 1, tries: 1, firstAt: new Date(start + DAY_MS).toISOString() };
    const after = recordTry(
      { ...fresh, series },
      { ...fresh, series },
      { began: start, ended: start, durationMs: 0, answer: failed },
      () => 0,
    );
    expect(after.series).toEqual({ number: 1, tries: 2, firstAt: new Date(start).toISOString() });
  });

  it('of a redelivery has a day of its own, and keeps the id', () => {
    const { last } = failingTries(0, () => 0);
    const again = markForRedelivery(last, start + 2 * DAY_MS);
    const began = start + 2 * DAY_MS;
    const after = recordTry(again, again, { began, ended: began, durationMs: 0, answer: failed }, () => 0);
    expect([after.id, after.status, Date.parse(after.nextAttemptAt ?? '') - began]).toEqual(['msg_1', 'pending', 3000]);
  });
});

describe('an event', () => {
  test.each<[ImageStatus | null, ImageStatus, string | null]>([
    ['processing', 'succeeded', 'image.succeeded'],
    ['generating', 'failed', 'image.failed'],
    ['queued', 'cancelled', 'image.cancelled'],
    [null, 'queued', null],
    ['queued', 'generating', null],
    ['failed', 'queued', null],
    // A picture that arrived after the cancel, or a deferred rendition.
    ['cancelled', 'cancelled', null],
    ['succeeded', 'succeeded', null],
  ])('%s, then %s: %s', (before, after, event) => {
    const completedAt = before !== null && isFinished(before) ? '2026-11-23T16:00:00.000Z' : null;
    const earlier = before && exampleImage({ status: before, completedAt });
    expect(webhookEventOf(earlier, exampleImage({ status: after }))).toBe(event);
  });

  test.each(FINISHED_STATUSES)('is not repeated by a repair that ends as %s', (status) => {
    const repair = exampleImage({ status: 'processing', completedAt: '2026-11-23T16:00:00.000Z' });
    expect(webhookEventOf(repair, exampleImage({ status }))).toBeNull();
  });
});
