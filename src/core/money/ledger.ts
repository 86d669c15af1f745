import type { Attempt, Image } from '../domain/image.ts';
import { type Cost, microdollars, type Spending } from '../domain/money.ts';

/**
 * The ledger changes of one image write: the rows it adds to, and by how much.
 * The entries of an image follow from its attempts and its status alone:
 * - a queued image reserves its estimate, so that what was accepted can be paid;
 * - a call in flight reserves its own estimate instead;
 * - an ended call is spent on the day it began: at its cost, or permanently at its estimate where the outcome is unknown.
 *
 * An attempt that goes from the record into the sum of those left out stays booked, on its day and model. A ledger that adds up the
 * changes of every write thus equals, at any time, the sum over all records and all attempts that were left out of them.
 *
 * A removed image leaves its spending. Its reservation becomes spending where a call may be in flight, and is released otherwise.
 */
export function ledgerChanges(before: Image | null, after: Image | null): readonly Spending[] {
  // As a cancelled image, a removed one reserves nothing, and its calls count as spent.
  const remaining = after ?? (before && { ...before, status: 'cancelled' as const });
  const rows = new Map<string, Spending>();
  const add = (entry: Spending, sign: 1 | -1) => {
    const key = JSON.stringify([entry.day, entry.owner, entry.model]);
    const row = rows.get(key);
    rows.set(key, {
      ...entry,
      images: (row?.images ?? 0) + sign * entry.images,
      microUsd: (row?.microUsd ?? 0) + sign * entry.microUsd,
      unpriced: (row?.unpriced ?? 0) + sign * entry.unpriced,
    });
  };
  for (const entry of remaining ? ledgerEntriesOf(remaining) : []) add(entry, 1);
  for (const entry of before && after ? entriesLeftOut(before, after) : []) add(entry, 1);
  for (const entry of before ? ledgerEntriesOf(before) : []) add(entry, -1);
  return [...rows.values()].filter(
    ({ images, microUsd, unpriced }) => images !== 0 || microUsd !== 0 || unpriced !== 0,
  );
}

/** Whether these changes increase spending and reservations together, in money or in calls without a price. */
export function increasesSpending(changes: readonly Spending[]): boolean {
  const growth = (part: 'microUsd' | 'unpriced') => changes.reduce((sum, row) => sum + row[part], 0);
  return growth('microUsd') > 0 || growth('unpriced') > 0;
}

/** The spending and reservations of one image. A reservation has no day. */
function ledgerEntriesOf(image: Image): readonly Spending[] {
  const { owner } = image;
  const entries = image.attempts.map((attempt) =>
    isInFlight(image, attempt) ? { ...entryOf(owner, attempt), day: null } : entryOf(owner, attempt),
  );
  if (image.status !== 'queued') return entries;
  return [...entries, { day: null, owner, model: image.model, images: 0, ...amountOf(image.estimate) }];
}

/** The entries, as ended calls, of the attempts that `before` has and `after` has left out. */
function entriesLeftOut(before: Image, after: Image): readonly Spending[] {
  if (after.omitted?.count === before.omitted?.count) return [];
  const kept = new Set(after.attempts.map(({ id }) => id));
  return before.attempts.filter(({ id }) => !kept.has(id)).map((attempt) => entryOf(before.owner, attempt));
}

/** The entry of an ended call, on the day it began. */
function entryOf(owner: string, { startedAt, model, outcome, cost }: Attempt): Spending {
  return { day: startedAt.slice(0, 10), owner, model, images: outcome === 'ok' ? 1 : 0, ...amountOf(cost) };
}

function amountOf({ usd }: Cost): Pick<Spending, 'microUsd' | 'unpriced'> {
  return { microUsd: microdollars(usd ?? 0), unpriced: usd === null ? 1 : 0 };
}

/** True for the last attempt of a generating image while it is open. Earlier open attempts ended with their process. */
function isInFlight(image: Image, attempt: Attempt): boolean {
  return image.status === 'generating' && attempt === image.attempts.at(-1) && attempt.durationMs === null;
}
