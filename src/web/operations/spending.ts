import type { UsageReport } from '../service/types.ts';

export interface DaySpending {
  /** YYYY-MM-DD, UTC. */
  readonly day: string;
  readonly images: number;
  /** US dollars, of the calls whose cost is known. */
  readonly usd: number;
}

/** The sum of each day over its models and keys, oldest first. */
export function spendingByDay(rows: UsageReport['days']): readonly DaySpending[] {
  const days = new Map<string, DaySpending>();
  for (const { day, images, usd } of rows) {
    const sum = days.get(day) ?? { day, images: 0, usd: 0 };
    days.set(day, { day, images: sum.images + images, usd: sum.usd + (usd ?? 0) });
  }
  return [...days.values()].sort((one, other) => (one.day < other.day ? -1 : 1));
}

const dayFormat = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', timeZone: 'UTC' });

/** A day such as `2026-11-27` as the reader writes it, without the year: `Nov 27`. */
export function writeDay(day: string): string {
  return dayFormat.format(new Date(day));
}
