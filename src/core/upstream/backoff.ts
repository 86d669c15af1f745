/** A failed try at something remote. */
interface FailedTry {
  /** Tries so far, the failed one included. */
  readonly tries: number;
  /** The server's Retry-After in milliseconds; null or 0 for none. */
  readonly retryAfterMs: number | null;
  /** Longest wait after the first try, in milliseconds; it doubles with each try. */
  readonly baseMs: number;
  /** Longest wait of all without a Retry-After, in milliseconds. */
  readonly maxMs: number;
}

/**
 * Whole milliseconds to wait before the next try: exponential backoff with full jitter (`random` is in [0, 1)). A Retry-After is kept, with
 * up to a tenth on top, so that those who wait do not all try again at the same moment (thundering herd).
 */
export function backoff({ tries, retryAfterMs, baseMs, maxMs }: FailedTry, random: () => number): number {
  if (retryAfterMs !== null && retryAfterMs > 0) {
    return Math.ceil(retryAfterMs + random() * Math.min(retryAfterMs / 10, maxMs));
  }
  return Math.ceil(random() * Math.min(maxMs, baseMs * 2 ** (tries - 1)));
}
