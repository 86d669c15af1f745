import type { Usage } from '../service/types.ts';

export interface DaySpending {
  /** YYYY-MM-DD, UTC. */
  readonly day: string;
  readonly images: number;
  /** US dollars, of the calls whose cost is known. */
  readonly usd: number;
}

/** The sum of each day over its models and keys, oldest first. */
export function spendingByDay(rows: Usage['days']): readonly DaySpending[] {
  const days = new Map<string, DaySpending>();
  for (const { day, images, usd } of rows) {
    const sum = days.get(day) ?? { day, images: 0, usd: 0 };
    days.set(day, { day, images: sum.images + images, usd: sum.usd + (usd ?? 0) });
  }
  return [...days.values()].sort((one, other) => (one.day < other.day ? -1 : 1));
}
