import fc from 'fast-check';
import type { Spending } from '../../src/core/domain/money.ts';

/** Sums of ledger entries by day, owner and model: images, microdollars, calls without a price. Sums of zero are left out. */
export function sumsOf(entries: readonly Spending[]): ReadonlyMap<string, readonly number[]> {
  const sums = new Map<string, number[]>();
  for (const { day, owner, model, images, microUsd, unpriced } of entries) {
    const key = `${day} ${owner} ${model}`;
    const [a = 0, b = 0, c = 0] = sums.get(key) ?? [];
    sums.set(key, [a + images, b + microUsd, c + unpriced]);
  }
  return new Map([...sums].filter(([, counts]) => counts.some((count) => count !== 0)).sort());
}

/** Arbitrary for property tests: one of `actions` on one of three images and two owners, at a cost that is sometimes unknown (null). */
export function ledgerStep<Action extends string>(...actions: readonly Action[]) {
  return fc.record({
    id: fc.constantFrom('a', 'b', 'c'),
    owner: fc.constantFrom('anna', 'bert'),
    usd: fc.option(fc.integer({ min: 0, max: 90_000 }).map((micro) => micro / 1e6)),
    second: fc.integer({ min: 0, max: 3 * 86_400 }),
    action: fc.constantFrom(...actions),
  });
}
