/** The operator's limits on calls to one provider; null for none. */
export interface CallLimits {
  /** Calls at the same time. */
  readonly concurrency: number | null;
  /** Calls that may begin within any minute; a call makes one picture. */
  readonly perMinute: number | null;
}

/**
 * The limits of the calls to one provider over all processes that share the records. A process alone has none: its throttle knows of every
 * call.
 */
export interface SharedCallLimits {
  /**
   * Asks for a place for one call, which may begin at once where there is one. Never raises `storage_unavailable`: while the server that
   * counts cannot be reached no call may begin.
   */
  tryBegin(): Promise<Turn>;
  /** Pauses the calls of all processes for this long, at most five minutes; a longer pause under way is kept. It does not raise. */
  pause(ms: number): void;
  /** Sets the one listener. */
  onChange(listener: CallLimitsListener): void;
}

/** A place, to be disposed of when the call has ended, or when to ask again. */
export type Turn = { readonly place: Disposable } | { readonly waitMs: number; readonly pausedMs: number };

/** Called when another process has changed something. Neither function may raise. */
export interface CallLimitsListener {
  /** A place may have become free. */
  freed(): void;
  /** A process has paused the calls, for this long from now. */
  paused(ms: number): void;
}

/** Some servers ask for days or years; after this long one call finds out whether they still refuse. */
export const MAX_PAUSE_MS = 5 * 60_000;
