import { describe, expect, it } from 'vitest';
import type { Spending } from '../../../src/core/domain/money.ts';
import { reportUsage, type UsagePeriod } from '../../../src/core/money/usage.ts';
import type { RecordStore } from '../../../src/core/ports/record-store.ts';
import { createManualClock } from '../../support/test-clock.ts';

const EVERYONE = { name: 'desk', seesAll: true, admin: false };
const entry = (day: string, change: Partial<Spending> = {}): Spending => ({
  day,
  owner: 'blog',
  model: 'gpt-image-2',
  images: 1,
  microUsd: 20_000,
  unpriced: 0,
  ...change,
});

/** The report on 23 November 2026 over this ledger, newest day first. */
function report(period: UsagePeriod, ledger: readonly Spending[] = []) {
  const records = {
    spending: async (from: string, _owner: string | null, to = '9999') =>
      ledger.filter(({ day }) => day !== null && day >= from && day <= to),
    balance: async () => ({ spent: 20_000, reserved: 10_000 }),
  } as unknown as RecordStore;
  const budget = { usdPerDay: 5, usdPerDayOfKey: new Map<string, number>() };
  return reportUsage({ records, budget, clock: createManualClock() }, period, EVERYONE);
}
const daysOf = async (period: UsagePeriod) => (await report(period)).days.map(({ day }) => day);

describe('the report of usage', () => {
  it('has both of its bounds, newest day first, and days without calls as zero', async () => {
    const ledger = [
      entry('2026-11-21', { microUsd: 1 }),
      entry('2026-11-20', { owner: 'blog', images: 3 }),
      entry('2026-11-20', { owner: 'shop', unpriced: 1 }),
      entry('2026-11-18'),
      entry('2026-11-17'),
    ];
    const { days } = await report({ from: '2026-11-18', to: '2026-11-21' }, ledger);
    const nothing = { model: null, key: null, images: 0, usd: 0 };
    expect(days).toEqual([
      { day: '2026-11-21', model: 'gpt-image-2', key: 'blog', images: 1, usd: 0.000001 },
      { day: '2026-11-20', model: 'gpt-image-2', key: 'blog', images: 3, usd: 0.02 },
      { day: '2026-11-20', model: 'gpt-image-2', key: 'shop', images: 1, usd: null },
      { day: '2026-11-19', ...nothing },
      { day: '2026-11-18', model: 'gpt-image-2', key: 'blog', images: 1, usd: 0.02 },
    ]);
  });

  it.each<[UsagePeriod, number, string, string]>([
    [{}, 30, '2026-10-25', '2026-11-23'],
    [{ to: '2026-03-01' }, 30, '2026-01-31', '2026-03-01'],
    [{ from: '2026-11-23' }, 1, '2026-11-23', '2026-11-23'],
    [{ from: '2026-11-20' }, 4, '2026-11-20', '2026-11-23'],
    [{ from: '2024-01-01', to: '2024-12-31' }, 366, '2024-01-01', '2024-12-31'],
    [{ from: '2026-03-28', to: '2026-03-30' }, 3, '2026-03-28', '2026-03-30'],
    [{ days: 2 }, 2, '2026-11-22', '2026-11-23'],
  ])('for %o has %d days, from %s to %s', async (period, count, first, last) => {
    const days = await daysOf(period);
    expect([days.length, days.at(-1), days[0]]).toEqual([count, first, last]);
    expect(new Set(days).size).toBe(count);
  });

  it.each<[UsagePeriod, string]>([
    [{ from: '2026-11-22', to: '2026-11-21' }, 'from must not be after to'],
    [{ from: '2025-11-22' }, 'from makes a report of 367 days'],
    [{ from: '2024-01-01', to: '2025-01-01' }, 'from makes a report of 367 days'],
    [{ to: '2026-11-24' }, 'to must not be after today, 2026-11-23'],
    [{ from: '2026-11-24', to: '2026-11-30' }, 'from must not be after today, 2026-11-23'],
    [{ from: '2026-11-20', days: 3 }, 'days cannot stand beside'],
  ])('refuses %o: %s', async (period, detail) => {
    await expect(report(period)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(detail),
      paths: [{ path: detail.split(' ')[0] }],
    });
  });

  it("has today's budget whatever days it has, unknown where a call of today has no known cost", async () => {
    const ledger = [entry('2026-11-23', { unpriced: 1 }), entry('2026-11-20')];
    for (const period of [{}, { to: '2026-11-21' }]) {
      const { budget } = await report(period, ledger);
      expect(budget).toEqual({ usdPerDay: 5, spent: null, reserved: 0.01, resetsAt: '2026-11-24T00:00:00.000Z' });
    }
    expect((await report({ to: '2026-11-21' }, ledger.slice(1))).budget.spent).toBe(0.02);
  });
});
