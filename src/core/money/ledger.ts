import type { Attempt, Image } from '../domain/image.ts';
import { type Cost, microdollars, type Spending } from '../domain/money.ts';

/**
 * What a write of an image enters in the books: the lines it adds to, with the differences. An image's share of the books follows
 * from its record alone, so books that enter every write's differences are at all times the sum over all records:
 * - a queued image holds its estimate back, so that what was accepted can be paid;
 * - a call under way holds its estimate back in its place;
 * - a call that has ended is spent, on the day it began: at its cost, or at its estimate for ever where the outcome is unknown.
 * A removed image leaves what it spent; what it still holds back is spent if a call may be under way, and free if none is.
 */
export function ledgerChanges(before: Image | null, after: Image | null): readonly Spending[] {
  const remaining = after ?? (before && { ...before, status: 'cancelled' as const });
  const lines = new Map<string, Spending>();
  const add = (entry: Spending, sign: 1 | -1) => {
    const key = JSON.stringify([entry.day, entry.owner, entry.model]);
    const line = lines.get(key);
    lines.set(key, {
      ...entry,
      images: (line?.images ?? 0) + sign * entry.images,
      microUsd: (line?.microUsd ?? 0) + sign * entry.microUsd,
      unpriced: (line?.unpriced ?? 0) + sign * entry.unpriced,
    });
  };
  for (const entry of remaining ? ledgerEntriesOf(remaining) : []) add(entry, 1);
  for (const entry of before ? ledgerEntriesOf(before) : []) add(entry, -1);
  return [...lines.values()].filter(
    ({ images, microUsd, unpriced }) => images !== 0 || microUsd !== 0 || unpriced !== 0,
  );
}

/** Whether these lines spend or hold back more than they free. */
export function increasesSpending(lines: readonly Spending[]): boolean {
  const growth = (part: 'microUsd' | 'unpriced') => lines.reduce((sum, line) => sum + line[part], 0);
  return growth('microUsd') > 0 || growth('unpriced') > 0;
}

function ledgerEntriesOf(image: Image): readonly Spending[] {
  const entry = (day: string | null, model: string, cost: Cost, images = 0): Spending => ({
    day,
    owner: image.owner,
    model,
    images,
    microUsd: microdollars(cost.usd ?? 0),
    unpriced: cost.usd === null ? 1 : 0,
  });
  const entries = image.attempts.map((attempt) => {
    const day = isInFlight(image, attempt) ? null : attempt.startedAt.slice(0, 10);
    return entry(day, attempt.model, attempt.cost, attempt.outcome === 'ok' ? 1 : 0);
  });
  return image.status === 'queued' ? [...entries, entry(null, image.model, image.estimate)] : entries;
}

/** The last call of an image that waits for it. An earlier one that was never closed ended with its process. */
function isInFlight(image: Image, attempt: Attempt): boolean {
  return image.status === 'generating' && attempt === image.attempts.at(-1) && attempt.durationMs === null;
}
