import { type Budget, microdollarsToUsd } from '../domain/money.ts';
import type { Caller } from '../domain/request.ts';
import type { Clock } from '../ports/clock.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { budgetResetsAt, DAY_MS, utcDay } from './budget.ts';

interface UsageDeps {
  readonly records: RecordStore;
  readonly budget: Budget;
  readonly clock: Clock;
}

/** Spending by day, model and key, in US dollars; null where part of it is unknown, never a silent 0. */
export interface UsageReport {
  readonly days: {
    /** YYYY-MM-DD, UTC. */
    readonly day: string;
    readonly model: string;
    /** Name of the API key. */
    readonly key: string;
    /** Pictures received. */
    readonly images: number;
    readonly usd: number | null;
  }[];
  readonly budget: {
    /** Null for no limit. */
    readonly usdPerDay: number | null;
    /** Today (UTC). */
    readonly spent: number | null;
    /** For calls in flight and images in the queue. */
    readonly reserved: number;
    /** ISO 8601, UTC. */
    readonly resetsAt: string;
  };
}

/** Reports the last `days` days, including today, and today's budget: of the whole service for a caller who sees all, else of its name. */
export async function reportUsage(deps: UsageDeps, days: number, caller: Caller): Promise<UsageReport> {
  const { records, budget, clock } = deps;
  const now = clock.now();
  const today = utcDay(now);
  const owner = caller.seesAll ? null : caller.name;
  const limit = owner === null ? budget.usdPerDay : (budget.usdPerDayOfKey.get(owner) ?? null);
  const rows = await records.spending(utcDay(now - (days - 1) * DAY_MS), owner);
  const { spent, reserved } = await records.balance(today, owner);
  const unknownToday = rows.some(({ day, unpriced }) => day === today && unpriced > 0);
  return {
    days: rows.flatMap(({ day, model, owner, images, microUsd, unpriced }) =>
      day === null ? [] : [{ day, model, key: owner, images, usd: unpriced > 0 ? null : microdollarsToUsd(microUsd) }],
    ),
    budget: {
      usdPerDay: limit,
      spent: unknownToday ? null : microdollarsToUsd(spent),
      reserved: microdollarsToUsd(reserved),
      resetsAt: new Date(budgetResetsAt(now)).toISOString(),
    },
  };
}
