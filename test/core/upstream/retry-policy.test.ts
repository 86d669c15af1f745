import { describe, expect, it } from 'vitest';
import { type RetryPolicy, type RetryState, retryDelay } from '../../../src/core/upstream/retry-policy.ts';

const policy: RetryPolicy = { maxAttempts: 4, deadlineMs: 600_000, ambiguousRetries: 1 };
const failed = (some: Partial<RetryState>): RetryState => ({
  fault: 'overloaded',
  retryAfterMs: null,
  attempts: 1,
  unknown: 0,
  elapsedMs: 0,
  ...some,
});
const highest = () => 0.999_999;
const lowest = () => 0;

describe('retryDelay', () => {
  it('draws evenly below a bound (full jitter) that doubles with each attempt, up to 30 s', () => {
    const manyAttempts = { ...policy, maxAttempts: 20 };
    const longest = [1, 2, 3, 4, 5, 6, 10].map((attempts) => retryDelay(failed({ attempts }), manyAttempts, highest));
    expect(longest).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    expect(retryDelay(failed({ attempts: 5 }), manyAttempts, lowest)).toBe(0);
    expect(retryDelay(failed({ attempts: 5 }), manyAttempts, () => 0.5)).toBe(8000);
  });

  it.each([
    ['refused', false],
    ['rejected', false],
    ['account', false],
    ['cancelled', false],
    ['rate_limited', true],
    ['overloaded', true],
    ['unreachable', true],
    ['gateway', true],
    ['parameter_refused', false],
    ['interrupted', true],
    ['timeout', true],
    ['empty', true],
  ] as const)('%s is retried: %s', (fault, retried) => {
    expect(retryDelay(failed({ fault, unknown: 1 }), policy, lowest) !== null).toBe(retried);
  });

  it('keeps a Retry-After, with up to a tenth on top', () => {
    expect(retryDelay(failed({ fault: 'rate_limited', retryAfterMs: 20_000 }), policy, lowest)).toBe(20_000);
    expect(retryDelay(failed({ fault: 'rate_limited', retryAfterMs: 20_000 }), policy, highest)).toBe(22_000);
  });

  it('ignores a Retry-After of 0', () => {
    expect(retryDelay(failed({ retryAfterMs: 0 }), policy, highest)).toBe(1000);
  });

  it.each([
    ['the attempts are used up', { attempts: 4 }],
    ['more calls than allowed may have been billed', { fault: 'timeout', attempts: 2, unknown: 2 }],
    ['the wait would pass the deadline', { retryAfterMs: 700_000 }],
    ['the deadline has passed', { elapsedMs: 600_001 }],
  ] as const)('gives up when %s', (_, state) => {
    expect(retryDelay(failed(state), policy, lowest)).toBeNull();
  });
});
