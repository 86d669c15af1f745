import { expect, it } from 'vitest';
import { createBloomFilter } from '../../../src/core/retention/bloom-filter.ts';

it('knows every name that was added, and takes few others for one', () => {
  const names = Array.from({ length: 33_000 }, (_, index) => `originals/${index}~1f`);
  const filter = createBloomFilter(names.length);
  for (const name of names) filter.add(name);
  expect(names.every(filter.mayContain)).toBe(true);
  const others = names.slice(0, 10_000).map((name) => `${name}.png`);
  // One in 1,700 is 6 of them; chance brings 30 in less than one run of a billion.
  expect(others.filter(filter.mayContain).length).toBeLessThan(30);
});
