import type { Budget } from '../domain/money.ts';
import type { Caller } from '../domain/request.ts';
import type { Clock } from '../ports/clock.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { budgetResetsAt, utcDay } from './budget.ts';

export interface UsageDeps {
  readonly records: RecordStore;
  readonly budget: Budget;
  readonly clock: Clock;
}

/** What pictures have cost. US dollars; null where the cost of a part is not known, never a silent 0. */
export interface UsageReport {
  readonly days: {
    /** YYYY-MM-DD, UTC. */
    readonly day: string;
    readonly model: string;
    /** Name of the API key. */
    readonly key: string;
    readonly images: number;
    readonly usd: number | null;
  }[];
  readonly budget: {
    readonly usdPerDay: number | null;
    readonly spent: number | null;
    readonly reserved: number;
    /** ISO 8601, UTC. */
    readonly resetsAt: string;
  };
}

const DAY_MS = 86_400_000;

/** The last `days` days, today included, and how today's budget stands: of the caller's key, or of the whole service for an admin. */
export async function reportUsage(deps: UsageDeps, days: number, caller: Caller): Promise<UsageReport> {
  const { records, budget, clock } = deps;
  const now = clock.now();
  const today = utcDay(now);
  const owner = caller.admin ? null : caller.name;
  const limit = owner === null ? budget.usdPerDay : (budget.usdPerDayOfKey.get(owner) ?? null);
  const lines = await records.spending(utcDay(now - (days - 1) * DAY_MS), owner);
  const { spent, reserved } = await records.balance(today, owner);
  const unknownToday = lines.some(({ day, unpriced }) => day === today && unpriced > 0);
  return {
    days: lines.flatMap(({ day, model, owner, images, microUsd, unpriced }) =>
      day === null ? [] : [{ day, model, key: owner, images, usd: unpriced > 0 ? null : microUsd / 1e6 }],
    ),
    budget: {
      usdPerDay: limit,
      spent: unknownToday ? null : spent / 1e6,
      reserved: reserved / 1e6,
      resetsAt: new Date(budgetResetsAt(now)).toISOString(),
    },
  };
}
