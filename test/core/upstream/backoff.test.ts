import { describe, expect, it } from 'vitest';
import { backoff } from '../../../src/core/upstream/backoff.ts';

const highest = () => 0.999_999;
const lowest = () => 0;
const limits = { baseMs: 500, maxMs: 15_000 };

describe('backoff', () => {
  it('draws evenly below a bound (full jitter) that doubles with each try, up to the longest wait', () => {
    const delayMs = (tries: number, random: () => number) => backoff({ ...limits, tries, retryAfterMs: null }, random);
    const longest = [1, 2, 3, 4, 5, 6, 1000].map((tries) => delayMs(tries, highest));
    expect(longest).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
    expect([delayMs(4, lowest), delayMs(4, () => 0.5)]).toEqual([0, 2000]);
  });

  it.each([
    [20_000, 20_000, 22_000],
    [3_600_000, 3_600_000, 3_615_000],
    [0, 0, 500],
    [1, 1, 2],
  ])('keeps a Retry-After of %i ms, with up to a tenth or the longest wait on top', (retryAfterMs, least, most) => {
    const [low, high] = [lowest, highest].map((random) => backoff({ ...limits, tries: 1, retryAfterMs }, random));
    expect([low, high]).toEqual([least, most]);
  });
});
