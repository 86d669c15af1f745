import type { Balance, Spending, SpendingGuard } from '../../../core/domain/money.ts';
import type { SqliteDatabase } from './database.ts';
import type { Row } from './rows.ts';

/** Spending ledger: running sums per day, owner and model, so that no query sums over all images. */
interface SqliteLedger {
  /** Adds a write's entries, which are differences, to the sums. Call inside the write's transaction. */
  record(entries: readonly Spending[]): void;
  /** Lets the guard veto a write by its effect on the balances. Call inside the write's transaction, after `record`. */
  check(guard: SpendingGuard, owner: string): void;
  /** Rows from a day (YYYY-MM-DD) on, newest day first, without reservations; of one owner, or of all for null. */
  spending(from: string, owner: string | null): readonly Spending[];
  /** Spending of the day and current reservations, in microdollars; of one owner, or of all for null. */
  balance(day: string, owner: string | null): Balance;
}

/** The ledger in the table `spending` of the database of `sql`. */
export function openLedger(sql: SqliteDatabase['sql']): SqliteLedger {
  const balance = (day: string, owner: string | null): Balance => {
    const sums = sql(`
      SELECT
        total(micro_usd) FILTER (WHERE day <> :reserved) AS spent,
        total(micro_usd) FILTER (WHERE day = :reserved) AS reserved
      FROM spending WHERE day IN (:reserved, :day) AND owner = coalesce(:owner, owner)`).get({
      reserved: RESERVED,
      day,
      owner,
    });
    return { spent: Number(sums?.spent), reserved: Number(sums?.reserved) };
  };

  return {
    record(entries) {
      for (const { day, owner, model, images, microUsd, unpriced } of entries) {
        sql(`
          INSERT INTO spending VALUES (:day, :owner, :model, :images, :microUsd, :unpriced)
          ON CONFLICT DO UPDATE SET
            images = images + :images, micro_usd = micro_usd + :microUsd, unpriced = unpriced + :unpriced`).run({
          day: day ?? RESERVED,
          owner,
          model,
          images,
          microUsd,
          unpriced,
        });
      }
    },

    check: (guard, owner) =>
      guard.check(owner, { service: balance(guard.day, null), owner: balance(guard.day, owner) }),

    spending: (from, owner) =>
      sql(`
        SELECT * FROM spending WHERE day >= :from AND day <> :reserved AND owner = coalesce(:owner, owner)
        ORDER BY day DESC, owner, model`)
        .all({ from, reserved: RESERVED, owner })
        .map(readSpending),

    balance,
  };
}

/** The `day` of reservations, which belong to no day yet. */
const RESERVED = '';

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
