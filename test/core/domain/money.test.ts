import { describe, expect, it } from 'vitest';
import { addCosts, microdollars, microdollarsToUsd } from '../../../src/core/domain/money.ts';

describe('addCosts', () => {
  it('has the weaker basis of its parts, and is unknown where either is', () => {
    const billed = { usd: 0.1, basis: 'usage' } as const;
    expect(addCosts(billed, { usd: 0.2, basis: 'usage' })).toEqual({ usd: 0.3, basis: 'usage' });
    expect(addCosts(billed, { usd: 0.2, basis: 'estimate' })).toEqual({ usd: 0.3, basis: 'estimate' });
    expect(addCosts(billed, { usd: null, basis: 'unknown' })).toEqual({ usd: null, basis: 'unknown' });
  });
});

describe('microdollarsToUsd', () => {
  it('reverses microdollars, and rounds a fraction of one', () => {
    for (const usd of [0, 0.041, 0.000_001, 1234.567_89]) expect(microdollarsToUsd(microdollars(usd))).toBe(usd);
    expect(microdollarsToUsd(41_000.4)).toBe(0.041);
  });
});
