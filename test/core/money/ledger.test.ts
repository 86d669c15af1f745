import { describe, expect, it } from 'vitest';
import type { Attempt, Image } from '../../../src/core/domain/image.ts';
import { increasesSpending, ledgerChanges } from '../../../src/core/money/ledger.ts';
import { anAttempt, anImage } from '../../contracts/record-store/example-images.ts';

const DAY = '2026-01-01';
const estimate = { usd: 0.02, basis: 'estimate' } as const;
const cost = { usd: 0.015, basis: 'usage' } as const;

const queued = anImage({ estimate });
const inFlight: Attempt = { ...anAttempt('a'), cost: estimate };
const generating: Image = { ...queued, status: 'generating', attempts: [inFlight] };
const made: Attempt = { ...inFlight, durationMs: 1000, outcome: 'ok', cost };
const lost: Attempt = { ...inFlight, durationMs: 1000 };

/** Day, pictures and microdollars of each changed row. */
function changes(before: Image | null, after: Image | null) {
  return ledgerChanges(before, after).map(({ day, images, microUsd }) => [day, images, microUsd]);
}

describe('ledgerChanges', () => {
  it.each<[string, Image | null, Image | null, readonly unknown[]]>([
    ['reserves the estimate of an accepted image', null, queued, [[null, 0, 20_000]]],
    ['moves the reservation to the call in flight', queued, generating, []],
    [
      'spends a received picture at its cost',
      generating,
      { ...generating, status: 'processing', attempts: [made] },
      [
        [DAY, 1, 15_000],
        [null, 0, -20_000],
      ],
    ],
    [
      'spends a call of unknown outcome at its estimate, beside the next call in flight',
      generating,
      { ...generating, attempts: [lost, { ...inFlight, id: 'b' }] },
      [[DAY, 0, 20_000]],
    ],
    ['releases the reservation of a removed queued image', queued, null, [[null, 0, -20_000]]],
    [
      'spends what a removed image may owe for a call in flight',
      generating,
      null,
      [
        [DAY, 0, 20_000],
        [null, 0, -20_000],
      ],
    ],
    ['leaves the spending of a removed image', { ...queued, status: 'succeeded', attempts: [made] }, null, []],
  ])('%s', (_, before, after, expected) => {
    expect(changes(before, after)).toEqual(expected);
  });

  it('counts a call without a price instead of adding it up', () => {
    const unpriced = anImage({ estimate: { usd: null, basis: 'unknown' } });
    expect(ledgerChanges(null, unpriced)).toMatchObject([{ microUsd: 0, unpriced: 1 }]);
  });
});

describe('increasesSpending', () => {
  it('is true for a new reservation, and false where one becomes spending of no more than it', () => {
    expect(increasesSpending(ledgerChanges(null, queued))).toBe(true);
    expect(increasesSpending(ledgerChanges(generating, { ...generating, attempts: [made] }))).toBe(false);
    expect(increasesSpending(ledgerChanges(generating, null))).toBe(false);
  });

  it('is true for a reservation without a price', () => {
    const unpriced = anImage({ estimate: { usd: null, basis: 'unknown' } });
    expect(increasesSpending(ledgerChanges(null, unpriced))).toBe(true);
  });
});
