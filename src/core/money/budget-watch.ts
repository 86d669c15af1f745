import type { Logger } from 'pino';
import {
  type Balance,
  type Budget,
  type Cost,
  microdollars,
  microdollarsToUsd,
  type SpendingGuard,
} from '../domain/money.ts';
import { budgetResetsAt, createSpendingGuard } from './budget.ts';

/** The veto over the write that reserves the estimate of one call at `now` (milliseconds since 1970); undefined without a budget. */
export type GuardSpending = (model: string, estimate: Cost, now: number) => SpendingGuard | undefined;

/** The part of a budget from which on the log warns of its end. */
const NEARLY = 0.8;

/**
 * Creates the guards of a budget, which say once a day and budget when `NEARLY` of it is spent or reserved, and once when it is used up:
 * the service's as an error, since every caller is refused then.
 */
export function createGuardSpending({ budget, log }: { readonly budget: Budget; readonly log: Logger }): GuardSpending {
  /** How far each budget was found used, by the name of its key. */
  const logged = new Map<string | null, { readonly day: string; readonly isUsedUp: boolean }>();

  function note(
    key: string | null,
    limit: number | null,
    { spent, reserved }: Balance,
    day: string,
    now: number,
  ): void {
    if (limit === null || spent + reserved < NEARLY * microdollars(limit)) return;
    const isUsedUp = spent + reserved >= microdollars(limit);
    const before = logged.get(key);
    if (before?.day === day && (before.isUsedUp || !isUsedUp)) return;
    logged.set(key, { day, isUsedUp });
    const line = {
      budget: key === null ? 'service' : 'key',
      ...(key !== null && { key }),
      limitUsd: limit,
      spentUsd: microdollarsToUsd(spent),
      reservedUsd: microdollarsToUsd(reserved),
      resetsAt: new Date(budgetResetsAt(now)).toISOString(),
    };
    if (!isUsedUp) log.warn(line, '80 % of the budget of the day are spent or reserved');
    else
      log[key === null ? 'error' : 'warn'](
        line,
        'the budget of the day is used up, with the picture that was just asked for: what does not fit gets 429 until it resets',
      );
  }

  return (model, estimate, now) => {
    const guard = createSpendingGuard(budget, model, estimate, now);
    if (!guard) return undefined;
    return {
      day: guard.day,
      limitsOf: (owner) => guard.limitsOf(owner),
      check(owner, balances) {
        note(null, budget.usdPerDay, balances.service, guard.day, now);
        note(owner, budget.usdPerDayOfKey.get(owner) ?? null, balances.owner, guard.day, now);
        guard.check(owner, balances);
      },
    };
  };
}
