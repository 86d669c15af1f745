import type { ImageRecord } from '../../client/shapes.ts';
import { addCosts, type Cost, roundToMicrodollar, UNKNOWN_COST, ZERO_COST } from '../../core/domain/money.ts';

/** The pictures that a command may pay for. */
export interface Payments {
  /** Counts the calls for this picture too, beyond what `before`, its record when the command began, had cost; null for a new one. */
  watch(mediaId: string, before: ImageRecord | null): void;
  readonly mediaIds: readonly string[];
  /** What was paid since the command began, by the records as they are now; `find` gives null for a picture that there is not. */
  total(find: (mediaId: string) => Promise<ImageRecord | null>): Promise<Cost>;
}

export function createPayments(): Payments {
  const costsBefore = new Map<string, Cost>();
  return {
    watch: (mediaId, before) => void costsBefore.set(mediaId, before?.cost ?? ZERO_COST),
    get mediaIds() {
      return [...costsBefore.keys()];
    },
    async total(find) {
      const costs = await Promise.all(
        [...costsBefore].map(async ([mediaId, before]) => costSince(before, (await find(mediaId))?.cost ?? before)),
      );
      return costs.reduce(addCosts, ZERO_COST);
    },
  };
}

/** What was added to a picture's cost. */
export function costSince(before: Cost, now: Cost): Cost {
  if (before.basis === 'none') return now;
  if (before.usd === now.usd && before.basis === now.basis) return ZERO_COST;
  if (before.usd === null || now.usd === null) return UNKNOWN_COST;
  const usd = Math.max(0, roundToMicrodollar(now.usd - before.usd));
  const isExact = before.basis === 'usage' && now.basis === 'usage';
  return usd === 0 ? ZERO_COST : { usd, basis: isExact ? 'usage' : 'estimate' };
}

/** A cost in words that end in "was paid": `nothing`, `$0.04` or `at most $0.04`. */
export function describePaid({ usd, basis }: Cost): string {
  if (usd === null) return 'an amount that is not known, as the catalog has no price for the model,';
  if (usd === 0) return 'nothing';
  return basis === 'usage' ? `$${usd}` : `at most $${usd}`;
}
