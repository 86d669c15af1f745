import { ImageError } from '../domain/errors.ts';
import { type Balance, type Budget, type Cost, microdollars, type SpendingGuard } from '../domain/money.ts';

const DAY_MS = 86_400_000;

/** YYYY-MM-DD (UTC) of a time in milliseconds since 1970. */
export function utcDay(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** When the day of `now` ends and every budget starts again, in milliseconds since 1970. */
export function budgetResetsAt(now: number): number {
  return (Math.floor(now / DAY_MS) + 1) * DAY_MS;
}

/**
 * Guards the write that reserves a call of this estimate: raises `budget_exhausted` where spending and reservations together would go
 * over a limit, and `unsupported_parameter` where a limit applies but the cost is not known. Undefined where there is no budget.
 */
export function createSpendingGuard(
  budget: Budget,
  model: string,
  estimate: Cost,
  now: number,
): SpendingGuard | undefined {
  if (budget.usdPerDay === null && budget.usdPerDayOfKey.size === 0) return undefined;
  return {
    day: utcDay(now),
    check(owner, books) {
      refuseUnpricedModel(budget, owner, model, estimate);
      refuseOverBudget(budget.usdPerDay, books.service, 'the budget', now);
      refuseOverBudget(budget.usdPerDayOfKey.get(owner) ?? null, books.owner, `the budget of the key ${owner}`, now);
    },
  };
}

/** Raises `unsupported_parameter` for a call that a budget applies to and that nobody knows the cost of: it could not be kept. */
export function refuseUnpricedModel(budget: Budget, owner: string, model: string, estimate: Cost): void {
  if (estimate.usd !== null || (budget.usdPerDay === null && !budget.usdPerDayOfKey.has(owner))) return;
  throw new ImageError(
    'unsupported_parameter',
    `there is a budget, and the catalog has no price for ${model} in this quality; add one with MODEL_CATALOG, or choose another model or quality`,
    { paths: [{ path: 'model', message: 'has no price in this quality' }] },
  );
}

function refuseOverBudget(limit: number | null, { spent, reserved }: Balance, budgetName: string, now: number): void {
  if (limit === null || spent + reserved <= microdollars(limit)) return;
  const resetsAt = budgetResetsAt(now);
  throw new ImageError(
    'budget_exhausted',
    `${budgetName}, ${limit} US dollars a day, has no room for this picture; it starts again at ${new Date(resetsAt).toISOString()}`,
    { retryAfterSeconds: Math.ceil((resetsAt - now) / 1000) },
  );
}
