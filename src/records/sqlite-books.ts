import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { bookings, isGrowth } from '../images/charges.ts';
import type { Image } from '../images/image.ts';
import type { Balance, Spending, SpendingGuard } from '../images/ports.ts';

/** The day of what is held back and may be spent on any. */
const NO_DAY = '';

/** The books of spending: a running sum per day, owner and model, so that nothing is ever added up over all images. */
export interface SqliteBooks {
  /** Enters what a write changes; call inside its transaction. The guard may raise to undo both. */
  enter(before: Image | null, after: Image | null, guard?: SpendingGuard): void;
  spending(from: string, owner: string | null): readonly Spending[];
  balance(day: string, owner: string | null): Balance;
}

/** Books in the database that `sql` prepares statements for. */
export function openSqliteBooks(sql: (text: string) => StatementSync): SqliteBooks {
  const balance = (day: string, owner: string | null): Balance => {
    const sums = sql(`
      SELECT
        total(micro_usd) FILTER (WHERE day <> :none) AS spent,
        total(micro_usd) FILTER (WHERE day = :none) AS reserved
      FROM spending WHERE day IN (:none, :day) AND owner = coalesce(:owner, owner)`).get({ none: NO_DAY, day, owner });
    return { spent: Number(sums?.spent), reserved: Number(sums?.reserved) };
  };

  return {
    balance,

    enter(before, after, guard) {
      const lines = bookings(before, after);
      for (const { day, owner, model, images, microUsd, unpriced } of lines) {
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
      if (!after || !guard || !isGrowth(lines)) return;
      const { day } = guard;
      guard.check(after.owner, { service: balance(day, null), owner: balance(day, after.owner) });
    },

    spending: (from, owner) =>
      sql(`
        SELECT * FROM spending WHERE day >= :from AND day <> :none AND owner = coalesce(:owner, owner)
        ORDER BY day DESC, owner, model`)
        .all({ from, none: NO_DAY, owner })
        .map(readSpending),
  };
}

function readSpending(row: Record<string, SQLOutputValue>): Spending {
  return {
    day: String(row.day),
    owner: String(row.owner),
    model: String(row.model),
    images: Number(row.images),
    microUsd: Number(row.micro_usd),
    unpriced: Number(row.unpriced),
  };
}
