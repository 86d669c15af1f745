import { expect, it } from 'vitest';
import { costSince, describePaid } from '../../../src/cli/service/payments.ts';
import type { Cost } from '../../../src/core/domain/money.ts';

const usage = (usd: number): Cost => ({ usd, basis: 'usage' });
const estimate = (usd: number): Cost => ({ usd, basis: 'estimate' });
const none: Cost = { usd: 0, basis: 'none' };
const unknown: Cost = { usd: null, basis: 'unknown' };

it.each<[string, Cost, Cost, string]>([
  ['a new picture', none, usage(0.04), '$0.04'],
  ['a new picture whose call is out', none, estimate(0.04), 'at most $0.04'],
  ['nothing new', usage(0.04), usage(0.04), 'nothing'],
  ['nothing new, of unknown cost', unknown, unknown, 'nothing'],
  ['one more call', usage(0.04), usage(0.1), '$0.06'],
  ['one more call that may be billed', usage(0.04), estimate(0.1), 'at most $0.06'],
  ['a call without a price', none, unknown, 'an amount that is not known, as the catalog has no price for the model,'],
])('%s: what was paid is what was added', (_name, before, now, words) => {
  expect(describePaid(costSince(before, now))).toBe(words);
});
