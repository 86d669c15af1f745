import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createGuardSpending } from '../../../src/core/money/budget-watch.ts';

const NOON = Date.UTC(2026, 10, 23, 12);
const DAY_MS = 86_400_000;
const micro = (usd: number) => ({ spent: 1_000_000, reserved: Math.round(usd * 1e6) - 1_000_000 });

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const guardSpending = createGuardSpending({
    budget: { usdPerDay: 100, usdPerDayOfKey: new Map([['blog', 10]]) },
    log: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
  /** A write that would leave these sums; true where it may. */
  const reserve = (usd: number, { owner = 'shop', ownUsd = 1, now = NOON } = {}): boolean => {
    try {
      const guard = guardSpending('gpt-image-2', { usd: 0.1, basis: 'estimate' }, now);
      guard?.check(owner, { service: micro(usd), owner: micro(ownUsd) });
      return true;
    } catch {
      return false;
    }
  };
  return { lines, reserve };
}

test('the log warns at 80 % and has an error at 100 %, once a day, however many requests are refused', () => {
  const { lines, reserve } = setUp();
  expect(reserve(79.9)).toBe(true);
  expect(lines).toEqual([]);
  for (const usd of [80, 81, 95]) expect(reserve(usd)).toBe(true);
  for (let request = 0; request < 1000; request++) expect(reserve(100.1)).toBe(false);
  expect(reserve(90)).toBe(true);
  const amounts = { budget: 'service', limitUsd: 100, spentUsd: 1, resetsAt: '2026-11-24T00:00:00.000Z' };
  expect(lines).toMatchObject([
    { level: 40, ...amounts, reservedUsd: 79 },
    { level: 50, ...amounts, reservedUsd: 99.1 },
  ]);

  reserve(85, { now: NOON + DAY_MS });
  expect(lines.slice(2)).toMatchObject([{ level: 40, reservedUsd: 84 }]);
});

test('each key has lines of its own, which are warnings: only its callers are refused', () => {
  const { lines, reserve } = setUp();
  reserve(20, { owner: 'blog', ownUsd: 8.5 });
  reserve(20, { owner: 'blog', ownUsd: 10.5 });
  reserve(20, { owner: 'shop', ownUsd: 15 });
  expect(lines).toMatchObject([
    { level: 40, budget: 'key', key: 'blog', limitUsd: 10 },
    { level: 40, budget: 'key', key: 'blog', limitUsd: 10 },
  ]);
});

test('a picture that does not fit uses the budget up, and nothing is said of the 80 % it leaves', () => {
  const { lines, reserve } = setUp();
  expect(reserve(120)).toBe(false);
  expect(reserve(85)).toBe(true);
  expect(lines).toMatchObject([{ level: 50 }]);
});
