import type { Balance, Spending, SpendingGuard } from '../../../core/domain/money.ts';
import type { SqliteDatabase } from './database.ts';
import { answerWith, type Row, run, type Step, stopIf } from './writer/write.ts';

/** Spending ledger: running sums per day, owner and model, so that no query sums over all images. */
interface SqliteLedger {
  /**
   * Rows from a day (YYYY-MM-DD) on, up to and with `to` where that is given, newest day first, without reservations; of one owner, or of
   * all for null.
   */
  spending(from: string, owner: string | null, to?: string): readonly Spending[];
  /** Spending of the day and current reservations, in microdollars; of one owner, or of all for null. */
  balance(day: string, owner: string | null): Balance;
}

/** Later than any day. */
const LAST_DAY = '9999-12-31';

/** Spending of a day and current reservations, of one owner or of all. */
const BALANCE = `
  SELECT
    total(micro_usd) FILTER (WHERE day <> '') AS spent,
    total(micro_usd) FILTER (WHERE day = '') AS reserved
  FROM spending WHERE day IN ('', :day) AND owner = coalesce(:owner, owner)`;

/** The balances of the service and of one owner, in one row. */
const BALANCES = `
  SELECT service.spent AS service_spent, service.reserved AS service_reserved,
    own.spent AS owner_spent, own.reserved AS owner_reserved
  FROM (${BALANCE.replace(':owner', 'NULL')}) AS service, (${BALANCE}) AS own`;

/** The reads of the ledger in the table `spending` of the database of `sql`. */
export function openLedger(sql: SqliteDatabase['sql']): SqliteLedger {
  return {
    spending: (from, owner, to = LAST_DAY) =>
      sql(`
        SELECT * FROM spending WHERE day >= :from AND day <= :to AND day <> '' AND owner = coalesce(:owner, owner)
        ORDER BY day DESC, owner, model`)
        .all({ from, to, owner })
        .map(readSpending),

    balance(day, owner) {
      const sums = sql(BALANCE).get({ day, owner });
      return { spent: Number(sums?.spent), reserved: Number(sums?.reserved) };
    },
  };
}

/** Adds a write's entries, which are differences, to the sums. */
export function ledgerSteps(entries: readonly Spending[]): readonly Step[] {
  return entries.map(({ day, owner, model, images, microUsd, unpriced }) =>
    run(
      `
      INSERT INTO spending VALUES (:day, :owner, :model, :images, :microUsd, :unpriced)
      ON CONFLICT DO UPDATE SET
        images = images + :images, micro_usd = micro_usd + :microUsd, unpriced = unpriced + :unpriced`,
      { day: day ?? RESERVED, owner, model, images, microUsd, unpriced },
    ),
  );
}

/** The name of the stop where a guard does not let a write pass. */
export const VETOED = 'vetoed';

/**
 * Lets the guard veto a write by its effect on the balances, those of every write before it included. Goes after `ledgerSteps`. The
 * balances are the outcome's row, `balancesOf`, in either case.
 */
export function guardSteps({ day, limitsOf }: SpendingGuard, owner: string): readonly Step[] {
  const limits = limitsOf(owner);
  return [
    stopIf(
      VETOED,
      `
      SELECT * FROM (${BALANCES})
      WHERE service_spent + service_reserved > :serviceLimit OR owner_spent + owner_reserved > :ownerLimit`,
      { day, owner, serviceLimit: limits.service, ownerLimit: limits.owner },
    ),
    answerWith(BALANCES, { day, owner }),
  ];
}

/** The balances in the outcome of a write with `guardSteps`. */
export function balancesOf(row: Row): Parameters<SpendingGuard['check']>[1] {
  return {
    service: { spent: Number(row.service_spent), reserved: Number(row.service_reserved) },
    owner: { spent: Number(row.owner_spent), reserved: Number(row.owner_reserved) },
  };
}

/** The `day` of reservations, which belong to no day yet: `''` in the statements above. */
const RESERVED = '';

/** A row of the table `spending`; its `day` is empty for a reservation. */
export function readSpending(row: Row): Spending {
  return {
    day: String(row.day),
    owner: String(row.owner),
    model: String(row.model),
    images: Number(row.images),
    microUsd: Number(row.micro_usd),
    unpriced: Number(row.unpriced),
  };
}
