import type { Balance, Spending, SpendingGuard, SpendingLimits } from '../../../core/domain/money.ts';
import type { Derived } from '../../../core/ports/record-store.ts';
import type { PostgresDatabase, Row, Statements } from '../../postgres/database.ts';
import type { Transactions } from './transactions.ts';

/** The ledger in the table `spending`: sums per day, owner and model, so that no query sums over all images. */

/** What a guard learns of a write. */
export interface Judged {
  readonly guard: SpendingGuard;
  readonly owner: string;
  readonly balances: Parameters<SpendingGuard['check']>[1];
}

/** The `day` of reservations, which belong to no day yet. */
const RESERVED = '';

/**
 * Adds the entries of one owner's write, which are differences, to the sums, and has the guard judge them where they spend more. Such
 * writes are judged one after the other, in the whole cluster: those that have a limit of the service in common, or of their owner alone.
 * Call it last in a transaction, which keeps others waiting until it ends. Raises the guard's error. Returns what the guard still has to
 * learn once the write is durable.
 */
export async function enterSpending(
  { run }: Statements,
  derived: readonly Pick<Derived, 'ledger' | 'spendsMore'>[],
  owner: string,
  guard: SpendingGuard | undefined,
): Promise<Judged | null> {
  const entries = derived.flatMap(({ ledger }) => ledger);
  const judge = derived.some(({ spendsMore }) => spendsMore) ? guard : undefined;
  if (entries.length === 0 && !judge) return null;
  const limits = judge?.limitsOf(owner) ?? null;
  const [row] = await run(
    `SELECT * FROM easel.enter_spending(
      $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text, $8::text, $9::text)`,
    [
      entries.map(({ day }) => day ?? RESERVED),
      entries.map((entry) => entry.owner),
      entries.map(({ model }) => model),
      entries.map(({ images }) => images),
      entries.map(({ microUsd }) => microUsd),
      entries.map(({ unpriced }) => unpriced),
      limits && lockOf(limits, owner),
      judge?.day ?? null,
      owner,
    ],
  );
  if (!judge || !limits) return null;
  const balances = { service: balanceOf(row, 'service'), owner: balanceOf(row, 'owner') };
  const isAbove = (limit: number | null, { spent, reserved }: Balance) => limit !== null && spent + reserved > limit;
  if (isAbove(limits.service, balances.service) || isAbove(limits.owner, balances.owner)) {
    judge.check(owner, balances);
    throw new TypeError('the guard does not say why it stops a write');
  }
  return { guard: judge, owner, balances };
}

/** The lock under which the guard judges writes of an owner; null for none. */
export function budgetLock(guard: SpendingGuard | undefined, owner: string): string | null {
  return guard ? lockOf(guard.limitsOf(owner), owner) : null;
}

function lockOf({ service, owner: own }: SpendingLimits, owner: string): string | null {
  if (service !== null) return 'easel budget';
  return own === null ? null : `easel budget of ${owner}`;
}

/**
 * Makes one row of each sum of the last days and of what is reserved, and none of those that are nothing: writes at the same time leave a
 * row each. Rows that a write holds are left for the next time. Today's are left alone, as the next writes would make them anew.
 */
export async function mergeSums(database: Pick<PostgresDatabase, 'write'>): Promise<void> {
  await database.write(MERGE, [MERGED_DAYS]);
}

/** Older days were merged when they were as old as these. */
const MERGED_DAYS = 7;

const MERGE = `
  WITH several AS (
    SELECT day, owner, model FROM easel.spending
    WHERE day = '' OR (day >= to_char(now() AT TIME ZONE 'UTC' - $1 * interval '1 day', 'YYYY-MM-DD')
      AND day < to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'))
    GROUP BY day, owner, model
    HAVING count(*) > 1 OR (sum(images) = 0 AND sum(micro_usd) = 0 AND sum(unpriced) = 0)
  ), held AS (
    SELECT number FROM easel.spending JOIN several USING (day, owner, model) FOR UPDATE OF spending SKIP LOCKED
  ), gone AS (
    DELETE FROM easel.spending WHERE number IN (SELECT number FROM held)
    RETURNING day, owner, model, images, micro_usd, unpriced
  )
  INSERT INTO easel.spending (day, owner, model, images, micro_usd, unpriced)
  SELECT day, owner, model, sum(images), sum(micro_usd), sum(unpriced) FROM gone GROUP BY day, owner, model
  HAVING sum(images) <> 0 OR sum(micro_usd) <> 0 OR sum(unpriced) <> 0`;

export async function readSpending(
  read: Transactions['read'],
  from: string,
  owner: string | null,
  to: string | null,
): Promise<readonly Spending[]> {
  const rows = await read(
    `SELECT day, owner, model, sum(images) AS images, sum(micro_usd) AS micro_usd, sum(unpriced) AS unpriced
    FROM easel.spending WHERE day >= $1 AND day <> '' AND ($2::text IS NULL OR owner = $2) AND day <= coalesce($3::text, '9999-12-31')
    GROUP BY day, owner, model
    ORDER BY day DESC, owner, model`,
    [from, owner, to],
  );
  return rows.map((row) => ({
    day: String(row.day),
    owner: String(row.owner),
    model: String(row.model),
    images: Number(row.images),
    microUsd: Number(row.micro_usd),
    unpriced: Number(row.unpriced),
  }));
}

export async function readBalance(read: Transactions['read'], day: string, owner: string | null): Promise<Balance> {
  const [row] = await read(
    `SELECT sum(micro_usd) FILTER (WHERE day <> '') AS all_spent, sum(micro_usd) FILTER (WHERE day = '') AS all_reserved
    FROM easel.spending WHERE day IN ('', $1) AND ($2::text IS NULL OR owner = $2)`,
    [day, owner],
  );
  return balanceOf(row, 'all');
}

function balanceOf(row: Row | undefined, name: string): Balance {
  const sum = (of: string) => Number(row?.[`${name}_${of}`] ?? 0);
  return { spent: sum('spent'), reserved: sum('reserved') };
}
