import { describe, expect, it } from 'vitest';
import { createRetryBudget } from '../../../src/core/upstream/retry-budget.ts';
import { retryDelay } from '../../../src/core/upstream/retry-policy.ts';
import { createManualClock } from '../../support/test-clock.ts';

describe('the retry budget', () => {
  it.each([
    [0, 10],
    [49, 10],
    [50, 10],
    [55, 11],
    [1000, 200],
  ])('after %i first calls within a minute allows %i retries', (calls, allowed) => {
    const budget = createRetryBudget(10, createManualClock());
    for (let call = 0; call < calls; call++) budget.firstCall();
    const taken = Array.from({ length: 300 }, () => budget.takeRetry()).filter(Boolean);
    expect(taken).toHaveLength(allowed);
  });

  it('has as many retries as are configured, and says when the next one is left', () => {
    const clock = createManualClock();
    const budget = createRetryBudget(2, clock);
    const take = () => [budget.waitMs(), budget.takeRetry()];
    expect(take()).toEqual([0, true]);
    clock.move(10_000);
    expect([take(), take()]).toEqual([
      [0, true],
      [50_000, false],
    ]);
    clock.move(50_000);
    expect([take(), take()]).toEqual([
      [0, true],
      [10_000, false],
    ]);
  });

  it('forgets retries older than a minute, by a clock that is never set', () => {
    const clock = createManualClock();
    const budget = createRetryBudget(10, clock);
    const takeAll = () => Array.from({ length: 20 }, () => budget.takeRetry()).filter(Boolean).length;
    expect([takeAll(), takeAll()]).toEqual([10, 0]);
    for (const step of [-3_600_000, 7_200_000]) {
      clock.step(step);
      expect([budget.waitMs(), takeAll()]).toEqual([60_000, 0]);
      clock.move(59_999);
      expect(takeAll()).toBe(0);
      clock.move(1);
      expect(takeAll()).toBe(10);
    }
  });

  it.each([
    [2, 600],
    [10, 3000],
  ])('keeps calls at 1.2 per job while every call fails for five minutes, with %i jobs a second', (perSecond, jobs) => {
    const clock = createManualClock();
    const budget = createRetryBudget(10, clock);
    const policy = { maxAttempts: 4, deadlineMs: 600_000, ambiguousRetries: 1 };
    let calls = 0;
    for (let second = 0; second < 300; second++, clock.move(1000)) {
      for (let job = 0; job < perSecond; job++) {
        budget.firstCall();
        for (let attempts = 1; ; attempts++) {
          calls += 1;
          const state = { fault: 'overloaded', retryAfterMs: null, attempts, unknown: 0, elapsedMs: 0 } as const;
          if (retryDelay(state, policy, () => 0.5) === null || !budget.takeRetry()) break;
        }
      }
    }
    expect(calls).toBeLessThanOrEqual(1.2 * jobs);
    expect(calls).toBeGreaterThan(1.15 * jobs);
  });
});
