import { describe, expect, it, test } from 'vitest';
import { ownedNames } from '../../../../src/core/domain/file-names.ts';
import type { Attempt, Image } from '../../../../src/core/domain/image.ts';
import { countedUnknowns } from '../../../../src/core/domain/image.ts';
import { closed, opened } from '../../../../src/core/domain/life-cycle/attempt-transitions.ts';
import { failed, rerun } from '../../../../src/core/domain/life-cycle/transitions.ts';
import type { Spending } from '../../../../src/core/domain/money.ts';
import { ledgerChanges } from '../../../../src/core/money/ledger.ts';
import { anAttempt, anImage, at } from '../../../contracts/record-store/example-images.ts';
import { exampleRecord as toRecord } from '../../../support/app/fake-images.ts';
import { sumsOf } from '../../../support/ledger.ts';

const end = { durationMs: 1, httpStatus: null, providerRequestId: null };
const DAY_SECONDS = 86_400;

/** One run after another, each of one call that ends with `outcome`; the ledger adds up the changes of every write. */
function runs(outcomes: readonly ('failed' | 'unknown' | 'cancelled')[]) {
  let image = anImage();
  const booked: Spending[] = [...ledgerChanges(null, image)];
  const write = (next: Image | null) => {
    if (next === null) throw new Error('the change is not legal');
    booked.push(...ledgerChanges(image, next));
    image = next;
  };
  for (const [index, outcome] of outcomes.entries()) {
    const id = `t${index}`;
    const cost = { usd: 0.02, basis: 'estimate' } as const;
    write(opened(image, { ...anAttempt(id), run: image.run, startedAt: at(index * (DAY_SECONDS / 8)), cost }, image));
    write(closed(image, id, { ...end, outcome }));
    const error = { code: 'provider_failed', detail: '' };
    write(failed(image, { error, checks: [], rejected: false }, at(0)));
    if (index === outcomes.length - 1) break;
    const again = { planned: image, estimate: image.estimate, traceparent: null, requestedAt: at(0), expiresAt: null };
    write(rerun(image, { ...again, mayCostAgain: true }));
  }
  return { image, booked };
}

describe('600 runs that each pay for a call', () => {
  const { image, booked } = runs(Array.from({ length: 600 }, (_, n) => (n % 3 === 0 ? 'unknown' : 'failed')));

  it('leave the newest 50 attempts on record, and the count and the cost of the others', async () => {
    expect(image.attempts.map(({ id }) => id)).toEqual(Array.from({ length: 50 }, (_, n) => `t${550 + n}`));
    expect(JSON.stringify(image).length).toBeLessThan(20_000);
    const { attempts, attemptsOmitted, cost } = await toRecord(image);
    expect([attempts.length, attemptsOmitted]).toEqual([50, { count: 550, usd: 3.68 }]);
    expect(cost).toEqual({ usd: 4, basis: 'estimate' });
  });

  it('stay booked on their days', () => {
    const sums = sumsOf(booked);
    expect([...sums.values()].reduce((sum, [, microUsd = 0]) => sum + microUsd, 0)).toBe(4_000_000);
    expect(sums.size).toBe(600 / 8);
  });
});

test('a record without omitted attempts says so', async () => {
  expect((await toRecord(anImage())).attemptsOmitted).toEqual({ count: 0, usd: 0 });
});

test.each<[string, Partial<Attempt>]>([
  ['brought a picture', { outcome: 'ok', durationMs: 1 }],
  ['was never closed', {}],
  ['named a picture that may still be there', { durationMs: 1, announced: { url: 'http://x/', revisedPrompt: null } }],
  ['counts as unknown', { durationMs: 1 }],
])(
  'an old attempt that %s stays on record, with its file and its count, and is shown in the sum',
  async (_, attempt) => {
    const cost = { usd: 0.02, basis: 'estimate' } as const;
    const old: Attempt = { ...anAttempt('old'), cost, ...attempt };
    let image: Image = anImage({ status: 'generating', attempts: [old], run: 1 });
    const unknown = countedUnknowns(image);
    for (let n = 0; n < 60; n += 1) {
      const next = opened(image, { ...anAttempt(`t${n}`), cost }, image);
      image = closed(next ?? image, `t${n}`, { ...end, outcome: 'failed' }) ?? image;
    }
    expect(image.attempts[0]).toEqual(old);
    expect(image.attempts).toHaveLength(51);
    expect(ownedNames(image)).toContain('originals/image~old');
    expect(countedUnknowns(image)).toBe(unknown);
    const record = await toRecord(image);
    expect([record.attempts.length, record.attemptsOmitted]).toEqual([50, { count: 11, usd: 0.02 }]);
    expect(record.cost).toEqual(cost);
  },
);
