import type { Balance, Spending, SpendingGuard } from '../../../core/domain/money.ts';
import type { SqliteDatabase } from './database.ts';
import type { Row } from './rows.ts';

/** The ledger of spending: a running sum per day, owner and model, so that nothing is ever added up over all images. */
export interface SqliteLedger {
  /** Adds the differences that a write makes. Call inside its transaction. */
  record(entries: readonly Spending[]): void;
  /** Shows the guard the balances as they are now. What it raises is to undo the transaction. */
  ask(guard: SpendingGuard, owner: string): void;
  /** Rows from a day (YYYY-MM-DD) on, newest day first, without what is held back. */
  spending(from: string, owner: string | null): readonly Spending[];
  balance(day: string, owner: string | null): Balance;
}

export function openLedger(sql: SqliteDatabase['sql']): SqliteLedger {
  const balance = (day: string, owner: string | null): Balance => {
    const sums = sql(`
      SELECT
        total(micro_usd) FILTER (WHERE day <> :none) AS spent,
        total(micro_usd) FILTER (WHERE day = :none) AS reserved
      FROM spending WHERE day IN (:none, :day) AND owner = coalesce(:owner, owner)`).get({ none: NO_DAY, day, owner });
    return { spent: Number(sums?.spent), reserved: Number(sums?.reserved) };
  };

  return {
    record(entries) {
      for (const { day, owner, model, images, microUsd, unpriced } of entries) {
        sql(`
          INSERT INTO spending VALUES (:day, :owner, :model, :images, :microUsd, :unpriced)
          ON CONFLICT DO UPDATE SET
            images = images + :images, micro_usd = micro_usd + :microUsd, unpriced = unpriced + :unpriced`).run({
          day: day ?? NO_DAY,
          owner,
          model,
          images,
          microUsd,
          unpriced,
        });
      }
    },

    ask: (guard, owner) => guard.check(owner, { service: balance(guard.day, null), owner: balance(guard.day, owner) }),

    spending: (from, owner) =>
      sql(`
        SELECT * FROM spending WHERE day >= :from AND day <> :none AND owner = coalesce(:owner, owner)
        ORDER BY day DESC, owner, model`)
        .all({ from, none: NO_DAY, owner })
        .map(readSpending),

    balance,
  };
}

/** The day of what is held back and may be spent on any. */
const NO_DAY = '';

function readSpending(row: Row): Spending {
  return {
    day: String(row.day),
    owner: String(row.owner),
    model: String(row.model),
    images: Number(row.images),
    microUsd: Number(row.micro_usd),
    unpriced: Number(row.unpriced),
  };
}
