/**
 * Source of an amount. `usage`: the provider's count. `estimate`: the catalog's bound. `unknown`: no price is known. `none`: nothing was
 * called, or nothing of it billed.
 */
export const COST_BASES = ['usage', 'estimate', 'unknown', 'none'] as const;

/** What a call or an image costs, and where that amount comes from. */
export interface Cost {
  /** US dollars; null exactly where the basis is `unknown`, never a silent 0. */
  readonly usd: number | null;
  readonly basis: (typeof COST_BASES)[number];
}

/** Zero cost: the call was not made, or is known not to be billed. */
export const ZERO_COST: Cost = { usd: 0, basis: 'none' };

/** The cost where no price is known. */
export const UNKNOWN_COST: Cost = { usd: null, basis: 'unknown' };

/** Adds two costs. The sum is unknown where either is, and an estimate where either is. */
export function addCosts(a: Cost, b: Cost): Cost {
  if (a.basis === 'none') return b;
  if (b.basis === 'none') return a;
  if (a.usd === null || b.usd === null) return UNKNOWN_COST;
  return {
    usd: roundToMicrodollar(a.usd + b.usd),
    basis: a.basis === 'usage' && b.basis === 'usage' ? 'usage' : 'estimate',
  };
}

/** US dollars as whole millionths, in which sums are exact. */
export function microdollars(usd: number): number {
  return Math.round(usd * 1e6);
}

/** The reverse of `microdollars`; a fraction of a microdollar is rounded. */
export function microdollarsToUsd(microUsd: number): number {
  return Math.round(microUsd) / 1e6;
}

/** US dollars without the noise of floating point. */
export function roundToMicrodollar(usd: number): number {
  return microdollarsToUsd(usd * 1e6);
}

/** Daily spending limits (UTC), in US dollars. */
export interface Budget {
  /** For all API keys together; null for no limit. */
  readonly usdPerDay: number | null;
  /** For single API keys, by name. */
  readonly usdPerDayOfKey: ReadonlyMap<string, number>;
}

/** A ledger entry: what one API key spent on one model on one day. */
export interface Spending {
  /** YYYY-MM-DD (UTC), when the calls began; null for a reservation, held back for calls that are due or under way. */
  readonly day: string | null;
  readonly owner: string;
  readonly model: string;
  /** Number of pictures received. */
  readonly images: number;
  /** Whole millionths of a US dollar. */
  readonly microUsd: number;
  /** Number of calls of unknown cost, which are not in `microUsd`. */
  readonly unpriced: number;
}

/** Totals of the ledger, in whole millionths of a US dollar. */
export interface Balance {
  /** On the day that was asked for. */
  readonly spent: number;
  /** Reservations as of now, of any day. */
  readonly reserved: number;
}

/**
 * The most that a write may leave spent and reserved together, in whole millionths of a US dollar; null for no limit. Below zero nothing
 * may be spent at all.
 */
export interface SpendingLimits {
  readonly service: number | null;
  readonly owner: number | null;
}

/**
 * Can veto a write that increases spending or reservations. The veto is a matter of figures, so that it is decided inside the transaction
 * wherever that runs: a write that would leave more than the limits is rolled back.
 */
export interface SpendingGuard {
  /** YYYY-MM-DD (UTC): the day whose spending counts. */
  readonly day: string;
  limitsOf(owner: string): SpendingLimits;
  /**
   * Called once it is decided, with the balances as the write leaves them, or would have left them. Raises exactly where these are above
   * the limits; its error is the error of the write.
   */
  check(owner: string, balances: { readonly service: Balance; readonly owner: Balance }): void;
}

/** Numbers of tokens, as the provider reports them. */
export interface TokenUsage {
  /** Cached ones included, here and in `imageInput`. */
  readonly textInput: number;
  readonly imageInput: number;
  /** Tokens of both kinds that were cached. */
  readonly cachedInput: number;
  /** Partial pictures included. */
  readonly output: number;
  /** What authoring an SVG took beside the picture; absent where none was authored. */
  readonly svg?: { readonly input: number; readonly output: number };
}
