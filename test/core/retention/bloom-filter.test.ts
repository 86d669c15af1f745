import { expect, it } from 'vitest';
import { createBloomFilter } from '../../../src/core/retention/bloom-filter.ts';

it('contains every name that was added, and few others', () => {
  const names = Array.from({ length: 33_000 }, (_, index) => `originals/${index}~1f`);
  const filter = createBloomFilter(names.length);
  for (const name of names) filter.add(name);
  expect(names.every(filter.mayContain)).toBe(true);
  const others = names.slice(0, 10_000).map((name) => `${name}.png`);
  // At 1 in 1,700 about 6 of them are expected; 30 or more come up in less than one run of a billion.
  expect(others.filter(filter.mayContain).length).toBeLessThan(30);
});
