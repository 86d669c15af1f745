import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Attempt, Image } from '../../../src/core/domain/image.ts';
import {
  announced,
  closed,
  keptAfterCancel,
  opened,
  received,
} from '../../../src/core/domain/life-cycle/attempt-transitions.ts';
import { cancelled, rerun } from '../../../src/core/domain/life-cycle/transitions.ts';
import { type Cost, type Spending, ZERO_COST } from '../../../src/core/domain/money.ts';
import { increasesSpending, ledgerChanges } from '../../../src/core/money/ledger.ts';
import { anAttempt, anImage, at } from '../../contracts/record-store/example-images.ts';
import { ledgerStep, sumsOf } from '../../support/ledger.ts';

const DAY = '2026-01-01';
const estimate: Cost = { usd: 0.02, basis: 'estimate' };
const cost: Cost = { usd: 0.015, basis: 'usage' };

const queued = anImage({ estimate });
const inFlight: Attempt = { ...anAttempt('a'), cost: estimate };
const generating: Image = { ...queued, status: 'generating', attempts: [inFlight] };
const made: Attempt = { ...inFlight, durationMs: 1000, outcome: 'ok', cost };
const failed: Attempt = { ...inFlight, durationMs: 1000, outcome: 'failed', cost: ZERO_COST };
/** The answer named its picture and said what it cost. */
const named: Attempt = { ...inFlight, cost, announced: { url: 'https://example.com/1.png', revisedPrompt: null } };
const lost: Attempt = { ...inFlight, durationMs: 1000 };
const unpriced = anImage({ estimate: { usd: null, basis: 'unknown' } });

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
    [
      'spends a call that was never closed, beside the next call in flight',
      generating,
      { ...generating, attempts: [inFlight, { ...inFlight, id: 'b' }] },
      [[DAY, 0, 20_000]],
    ],
    [
      'releases the reservation of a call that failed',
      generating,
      { ...generating, attempts: [failed] },
      [[null, 0, -20_000]],
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
    [
      'reserves no more than its cost for a call whose picture is still to be fetched',
      generating,
      { ...generating, attempts: [named] },
      [[null, 0, -5_000]],
    ],
    [
      'spends a picture that was announced and never came at its cost',
      { ...generating, attempts: [named] },
      { ...generating, status: 'failed', attempts: [{ ...named, durationMs: 1000 }] },
      [
        [DAY, 0, 15_000],
        [null, 0, -15_000],
      ],
    ],
    [
      'spends a call on the day it began, whatever the day of its end',
      { ...generating, attempts: [{ ...inFlight, startedAt: at(86_399) }] },
      { ...generating, status: 'processing', attempts: [{ ...made, startedAt: at(86_399), durationMs: 5_000 }] },
      [
        [DAY, 1, 15_000],
        [null, 0, -20_000],
      ],
    ],
    [
      'reserves the estimate again for an image that runs again, and leaves what it spent',
      { ...queued, status: 'failed', attempts: [failed, lost] },
      { ...queued, status: 'queued', run: 2, attempts: [failed, lost] },
      [[null, 0, 20_000]],
    ],
    ['reserves nothing for an image that is finished from its original', null, { ...queued, estimate: ZERO_COST }, []],
    [
      'adds up the calls of a day in one row',
      null,
      { ...queued, status: 'succeeded', attempts: [made, made] },
      [[DAY, 2, 30_000]],
    ],
  ])('%s', (_, before, after, expected) => {
    expect(changes(before, after)).toEqual(expected);
  });

  it('counts a call without a price instead of adding it up', () => {
    expect(ledgerChanges(null, unpriced)).toMatchObject([{ microUsd: 0, unpriced: 1 }]);
  });

  it('always adds up to what the present and the removed records say, after any sequence of steps', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const known = new Map<string, Image>();
        const entered: Spending[] = [];
        const left: Spending[] = [];
        for (const taken of steps) {
          const before = known.get(taken.id) ?? null;
          if (before === null) {
            const accepted = anImage({ mediaId: taken.id, owner: taken.owner, estimate: costOf(taken) });
            entered.push(...ledgerChanges(null, accepted));
            known.set(taken.id, accepted);
          } else if (taken.action === 'remove') {
            entered.push(...ledgerChanges(before, null));
            left.push(...ledgerChanges(null, { ...before, status: 'cancelled' }));
            known.delete(taken.id);
          } else {
            const after = next(before, taken);
            entered.push(...ledgerChanges(before, after));
            known.set(taken.id, after);
          }
        }
        const present = [...known.values()].flatMap((image) => ledgerChanges(null, image));
        expect(sumsOf(entered)).toEqual(sumsOf([...left, ...present]));
      }),
      { numRuns: 500 },
    );
  });
});

describe('increasesSpending', () => {
  it.each<[string, Image | null, Image | null, boolean]>([
    ['a new reservation', null, queued, true],
    ['a reservation without a price', null, unpriced, true],
    ['a reservation of nothing', null, anImage(), false],
    ['a first call, which takes over the reservation of the queued image', queued, generating, false],
    ['a second call', generating, { ...generating, attempts: [lost, { ...inFlight, id: 'b' }] }, true],
    ['a reservation that becomes spending of no more than it', generating, { ...generating, attempts: [made] }, false],
    ['a call that failed', generating, { ...generating, attempts: [failed] }, false],
    ['an image that is cancelled during its call', generating, cancelled(generating, at(1)), false],
    ['a removed image', generating, null, false],
  ])('of %s', (_, before, after, expected) => {
    expect(increasesSpending(ledgerChanges(before, after))).toBe(expected);
  });
});

const step = ledgerStep('accept', 'open', 'announce', 'ok', 'failed', 'unknown', 'cancel', 'rerun', 'remove');
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

function costOf({ usd }: Step): Cost {
  return { usd, basis: usd === null ? 'unknown' : 'estimate' };
}

const END = { durationMs: 1, httpStatus: null, providerRequestId: null };

/** The image after the step, by the functions that the use cases call; unchanged where the step is not legal. */
function next(image: Image, taken: Step): Image {
  const { action, second } = taken;
  const id = image.attempts.findLast(({ durationMs }) => durationMs === null)?.id ?? '';
  const opening = {
    ...anAttempt(`t${image.attempts.length}`),
    run: image.run,
    startedAt: at(second),
    cost: costOf(taken),
  };
  const picture = {
    ...END,
    at: at(second),
    original: { name: `originals/${id}`, bytes: 1, sha256: id, sound: false },
    revisedPrompt: null,
    cost: costOf(taken),
  };
  switch (action) {
    case 'open':
      return opened(image, opening, image) ?? image;
    case 'announce': {
      const picture = { url: 'https://example.com/1.png', revisedPrompt: null };
      return announced(image, id, { ...END, cost: costOf(taken), announced: picture }) ?? image;
    }
    case 'ok':
      return received(image, id, picture) ?? keptAfterCancel(image, id, picture) ?? image;
    case 'failed':
    case 'unknown':
      return closed(image, id, { ...END, outcome: action }) ?? image;
    case 'cancel':
      return cancelled(image, at(second)) ?? image;
    case 'rerun':
      return (
        rerun(image, {
          planned: image,
          estimate: costOf(taken),
          traceparent: null,
          requestedAt: at(second),
          expiresAt: null,
          mayCostAgain: true,
        }) ?? image
      );
    default:
      return image;
  }
}
