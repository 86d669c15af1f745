/** What may be spent in a day (UTC), in US dollars. */
export interface Budget {
  /** By all API keys together; null for no limit. */
  readonly usdPerDay: number | null;
  /** By single keys, by name. */
  readonly usdPerDayOfKey: ReadonlyMap<string, number>;
}

/** What a call costs that was not made, or is known not to be billed. */
export const ZERO_COST: Cost = { usd: 0, basis: 'usage' };

/** The cost of what nobody has a price for. */
export const UNKNOWN_COST: Cost = { usd: null, basis: 'unknown' };

/** Two sums as one; what is not known cannot be added up. */
export function addCosts(a: Cost, b: Cost): Cost {
  if (a.usd === null || b.usd === null) return UNKNOWN_COST;
  return {
    usd: roundToMicrodollar(a.usd + b.usd),
    basis: a.basis === 'usage' && b.basis === 'usage' ? 'usage' : 'estimate',
  };
}

/** Millionths of a US dollar, whole. */
export function microdollars(usd: number): number {
  return Math.round(usd * 1e6);
}

export function roundToMicrodollar(usd: number): number {
  return microdollars(usd) / 1e6;
}

/** Where the sum comes from: the provider's own usage report, the catalog's estimate, or nowhere. */
export const COST_BASES = ['usage', 'estimate', 'unknown'] as const;
export type CostBasis = (typeof COST_BASES)[number];

export interface Cost {
  /** US dollars; null exactly where the basis is `unknown`, never a silent 0. */
  readonly usd: number | null;
  readonly basis: CostBasis;
}

/** A ledger entry: what one API key spent on one model on one day. */
export interface Spending {
  /** YYYY-MM-DD (UTC), when the calls began; null for what is held back for calls that are to come or under way. */
  readonly day: string | null;
  readonly owner: string;
  readonly model: string;
  /** Pictures that came. */
  readonly images: number;
  /** Millionths of a US dollar, whole, so that sums stay exact. */
  readonly microUsd: number;
  /** Calls whose cost is not known; they are not in `microUsd`. */
  readonly unpriced: number;
}

/** Millionths of a US dollar. */
export interface Balance {
  /** On the day in question. */
  readonly spent: number;
  /** Held back now, whatever the day. */
  readonly reserved: number;
}

/** Can veto a write that increases spending or reservations. Runs inside the transaction; throwing rolls it back. */
export interface SpendingGuard {
  /** YYYY-MM-DD (UTC): the day whose spending counts. */
  readonly day: string;
  /** Called with the balances as the write leaves them. What it raises undoes the write. */
  check(owner: string, balances: { readonly service: Balance; readonly owner: Balance }): void;
}
