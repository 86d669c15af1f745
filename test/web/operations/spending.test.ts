import { expect, test } from 'vitest';
import { spendingByDay } from '../../../src/web/operations/spending.ts';

test('adds up the models and keys of a day, oldest day first', () => {
  const row = (day: string, images: number, usd: number | null) => ({ day, model: 'm', key: 'k', images, usd });
  expect(spendingByDay([row('2026-11-27', 2, 0.5), row('2026-11-27', 1, null), row('2026-11-26', 0, 0)])).toEqual([
    { day: '2026-11-26', images: 0, usd: 0 },
    { day: '2026-11-27', images: 3, usd: 0.5 },
  ]);
});
