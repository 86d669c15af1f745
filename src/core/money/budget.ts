import { ImageError } from '../domain/errors.ts';
import {
  type Balance,
  type Budget,
  type Cost,
  microdollars,
  type SpendingGuard,
  type SpendingLimits,
} from '../domain/money.ts';

/**
 * Creates the veto over the write that reserves the estimate of one call; undefined where no budget is set.
 * It raises `budget_exhausted` where spending plus reservations would exceed a daily limit, and `unsupported_parameter` where a limit
 * applies but the call has no price. `now` is in milliseconds since 1970.
 */
export function createSpendingGuard(
  budget: Budget,
  model: string,
  estimate: Cost,
  now: number,
): SpendingGuard | undefined {
  if (!isBudgetSet(budget)) return undefined;
  return {
    day: utcDay(now),
    limitsOf(owner) {
      if (isUnpriced(budget, owner, estimate)) return NOTHING;
      const own = budget.usdPerDayOfKey.get(owner) ?? null;
      return {
        service: budget.usdPerDay === null ? null : microdollars(budget.usdPerDay),
        owner: own === null ? null : microdollars(own),
      };
    },
    check(owner, balances) {
      refuseUnpricedModel(budget, owner, model, estimate);
      refuseOverBudget(budget.usdPerDay, balances.service, 'the budget', now);
      const ownerLimit = budget.usdPerDayOfKey.get(owner) ?? null;
      refuseOverBudget(ownerLimit, balances.owner, `the budget of the key ${owner}`, now);
    },
  };
}

/** The limits where no amount is known to keep to them. */
const NOTHING: SpendingLimits = { service: -1, owner: -1 };

/** Whether a limit is set, for all API keys or for one. */
export function isBudgetSet({ usdPerDay, usdPerDayOfKey }: Budget): boolean {
  return usdPerDay !== null || usdPerDayOfKey.size > 0;
}

/** Raises `unsupported_parameter` where a budget applies but the call has no price: the budget could not be enforced. */
export function refuseUnpricedModel(budget: Budget, owner: string, model: string, estimate: Cost): void {
  if (!isUnpriced(budget, owner, estimate)) return;
  throw new ImageError(
    'unsupported_parameter',
    `a budget applies, and the catalog has no price for ${model} in this quality; add one with MODEL_CATALOG, ` +
      `or choose another model or quality`,
    { paths: [{ path: 'model', message: 'has no price in this quality' }] },
  );
}

function isUnpriced(budget: Budget, owner: string, estimate: Cost): boolean {
  return estimate.usd === null && (budget.usdPerDay !== null || budget.usdPerDayOfKey.has(owner));
}

function refuseOverBudget(limit: number | null, { spent, reserved }: Balance, budgetName: string, now: number): void {
  if (limit === null || spent + reserved <= microdollars(limit)) return;
  const resetsAt = budgetResetsAt(now);
  throw new ImageError(
    'budget_exhausted',
    `${budgetName} (${limit} US dollars a day) has no room for this picture; it resets at ${new Date(resetsAt).toISOString()}`,
    { retryAfterSeconds: Math.ceil((resetsAt - now) / 1000) },
  );
}

export const DAY_MS = 86_400_000;

/** The end of the UTC day of `now`, when every budget resets; both in milliseconds since 1970. */
export function budgetResetsAt(now: number): number {
  return (Math.floor(now / DAY_MS) + 1) * DAY_MS;
}

/** The UTC day (YYYY-MM-DD) of a time in milliseconds since 1970. */
export function utcDay(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
