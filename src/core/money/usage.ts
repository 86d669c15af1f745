import { ImageError } from '../domain/errors.ts';
import { type Budget, microdollarsToUsd } from '../domain/money.ts';
import { type Caller, ownerSeenBy } from '../domain/request.ts';
import type { Clock } from '../ports/clock.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { budgetResetsAt, DAY_MS, utcDay } from './budget.ts';

interface UsageDeps {
  readonly records: RecordStore;
  readonly budget: Budget;
  readonly clock: Clock;
}

/** Which days a report has: YYYY-MM-DD, UTC, both included; or so many up to today. */
export interface UsagePeriod {
  /** By default such that there are 30 days. */
  readonly from?: string | undefined;
  /** Today by default. */
  readonly to?: string | undefined;
  /** In place of both. */
  readonly days?: number | undefined;
}

/** The most days in one report: a leap year. */
export const MAX_DAYS = 366;
const DEFAULT_DAYS = 30;

/** Spending by day, model and key, in US dollars; null where part of it is unknown, never a silent 0. */
export interface UsageReport {
  /** Newest day first. A day on which nothing was spent has one entry, without model and key. */
  readonly days: readonly UsageEntry[];
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

interface UsageEntry {
  /** YYYY-MM-DD, UTC. */
  readonly day: string;
  /** Null for a day without any. */
  readonly model: string | null;
  /** Name of the API key; null for a day without any. */
  readonly key: string | null;
  /** Pictures received. */
  readonly images: number;
  readonly usd: number | null;
}

/**
 * Reports the days of a period, and today's budget: of the whole service for a caller who sees all, else of its name. Raises
 * `invalid_request` for a period with days to come, with more than `MAX_DAYS` or with none.
 */
export async function reportUsage(deps: UsageDeps, period: UsagePeriod, caller: Caller): Promise<UsageReport> {
  const { records, budget, clock } = deps;
  const now = clock.now();
  const today = utcDay(now);
  const days = daysOf(period, today);
  const [first = today, last = today] = [days.at(-1), days[0]];
  const owner = ownerSeenBy(caller);
  const limit = owner === null ? budget.usdPerDay : (budget.usdPerDayOfKey.get(owner) ?? null);
  const rows = await records.spending(first, owner, last);
  const ofToday = last === today ? rows : await records.spending(today, owner);
  const { spent, reserved } = await records.balance(today, owner);
  const unknownToday = ofToday.some(({ day, unpriced }) => day === today && unpriced > 0);
  const byDay = Map.groupBy(rows, ({ day }) => day);
  return {
    days: days.flatMap((day): readonly UsageEntry[] => {
      const entries = byDay.get(day) ?? [];
      if (entries.length === 0) return [{ day, model: null, key: null, images: 0, usd: 0 }];
      return entries.map(({ model, owner: key, images, microUsd, unpriced }) => ({
        day,
        model,
        key,
        images,
        usd: unpriced > 0 ? null : microdollarsToUsd(microUsd),
      }));
    }),
    budget: {
      usdPerDay: limit,
      spent: unknownToday ? null : microdollarsToUsd(spent),
      reserved: microdollarsToUsd(reserved),
      resetsAt: new Date(budgetResetsAt(now)).toISOString(),
    },
  };
}

/** The days of a period, newest first. */
function daysOf({ from, to = undefined, days }: UsagePeriod, today: string): readonly string[] {
  if (days !== undefined && (from !== undefined || to !== undefined))
    throw refused('days', 'cannot stand beside from or to; leave it out');
  if (from !== undefined && from > today) throw refused('from', `must not be after today, ${today} (UTC)`);
  if (to !== undefined && to > today) throw refused('to', `must not be after today, ${today} (UTC)`);
  const last = to ?? today;
  if (from !== undefined && from > last) throw refused('from', `must not be after to, ${last}`);
  const end = Date.parse(last);
  const count = from === undefined ? (days ?? DEFAULT_DAYS) : (end - Date.parse(from)) / DAY_MS + 1;
  if (count > MAX_DAYS)
    throw refused(
      'from',
      `makes a report of ${count} days, up to ${last}; it may have at most ${MAX_DAYS}: ask for several reports`,
    );
  return Array.from({ length: count }, (_, index) => utcDay(end - index * DAY_MS));
}

function refused(path: string, message: string): ImageError {
  return new ImageError('invalid_request', `${path} ${message}`, { paths: [{ path, message }] });
}
