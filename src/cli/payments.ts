import type { Image } from '../core/domain/image.ts';
import { addCosts, type Cost, ZERO_COST } from '../core/domain/money.ts';

/** What a command has paid. */
export interface Payments {
  /** Counts the calls for these images too. */
  watch(...mediaIds: readonly string[]): void;
  /** The cost of the calls that were sent since the command began. */
  total(): Promise<Cost>;
}

/**
 * Counts the calls that this process has sent: the attempts of the watched images that began at `since` (milliseconds since 1970) or later.
 * No other process can have sent one: one process owns the database. `find` gives null for an image that is gone.
 */
export function createPayments(since: number, find: (mediaId: string) => Promise<Image | null>): Payments {
  const watched = new Set<string>();
  return {
    watch(...mediaIds) {
      for (const mediaId of mediaIds) watched.add(mediaId);
    },
    async total() {
      const images = await Promise.all([...watched].map(find));
      return images
        .flatMap((image) => image?.attempts ?? [])
        .filter(({ startedAt }) => Date.parse(startedAt) >= since)
        .reduce((sum, { cost }) => addCosts(sum, cost), ZERO_COST);
    },
  };
}

/** A cost in words that end in "was paid": `nothing`, `$0.04` or `at most $0.04`. */
export function describePaid({ usd, basis }: Cost): string {
  if (usd === null) return 'an amount that is not known, as the catalog has no price for the model,';
  if (usd === 0) return 'nothing';
  return basis === 'usage' ? `$${usd}` : `at most $${usd}`;
}
