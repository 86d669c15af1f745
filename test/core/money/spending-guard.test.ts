import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Balance, Budget, Cost } from '../../../src/core/domain/money.ts';
import { createSpendingGuard } from '../../../src/core/money/budget.ts';

const NOON = Date.UTC(2026, 10, 23, 12);
const limit = fc.option(fc.integer({ min: 0, max: 30 }).map((cents) => cents / 100));
const balance = fc.record({
  spent: fc.integer({ min: 0, max: 200_000 }),
  reserved: fc.integer({ min: 0, max: 200_000 }),
});
const isAbove = ({ spent, reserved }: Balance, most: number | null) => most !== null && spent + reserved > most;

test('the limits of a guard, which decide, and its check, which says why, agree on every write', () => {
  const ends = new Set<boolean>();
  fc.assert(
    fc.property(limit, limit, fc.boolean(), balance, balance, (service, own, isPriced, all, owned) => {
      const budget: Budget = { usdPerDay: service, usdPerDayOfKey: new Map(own === null ? [] : [['blog', own]]) };
      const estimate: Cost = isPriced ? { usd: 0.1, basis: 'estimate' } : { usd: null, basis: 'unknown' };
      const guard = createSpendingGuard(budget, 'm', estimate, NOON);
      if (!guard) return;
      for (const owner of ['blog', 'shop']) {
        const limits = guard.limitsOf(owner);
        const isVetoed = isAbove(all, limits.service) || isAbove(owned, limits.owner);
        const check = () => guard.check(owner, { service: all, owner: owned });
        if (isVetoed) expect(check).toThrow(/budget/);
        else check();
        ends.add(isVetoed);
      }
    }),
    { numRuns: 500 },
  );
  expect(ends.size).toBe(2);
});
