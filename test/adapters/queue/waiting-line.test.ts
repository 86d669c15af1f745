import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createWaitingLine } from '../../../src/adapters/queue/waiting-line.ts';

test('gives the same places as a list that is scanned, through any changes', () => {
  const key = fc.integer({ min: 0, max: 400 }).map(String);
  const step = fc.tuple(fc.constantFrom('add', 'add', 'add', 'remove', 'count', 'pass over'), key);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 1500, size: 'max' }), (steps) => {
      const line = createWaitingLine();
      const list: { readonly key: string; counted: boolean }[] = [];
      for (const [what, key] of steps) {
        const at = list.findIndex((entry) => entry.key === key);
        const entry = list[at];
        if (what === 'add' && entry === undefined) {
          list.push({ key, counted: true });
          line.add(key);
        } else if (what === 'remove') {
          if (at !== -1) list.splice(at, 1);
          line.remove(key);
        } else if (what !== 'add') {
          if (entry) entry.counted = what === 'count';
          line.setCounted(key, what === 'count');
        }
      }
      expect(line.counted()).toBe(list.filter(({ counted }) => counted).length);
      expect(line.ahead('none')).toBeNull();
      let ahead = 0;
      for (const { key, counted } of list) {
        expect(line.ahead(key)).toBe(ahead);
        if (counted) ahead += 1;
      }
    }),
    { numRuns: 50 },
  );
});

test('counts on after the numbers ran out', () => {
  const line = createWaitingLine();
  for (let key = 0; key < 100_000; key += 1) line.add(String(key));
  for (let key = 0; key < 50_000; key += 1) line.remove(String(key));
  expect(line.ahead('99999')).toBe(49_999);
  expect(line.ahead('50000')).toBe(0);
});
