/** The time; tests use a fake. */
export interface Clock {
  /** Milliseconds since 1970, UTC. It may be set back or forward at any moment: for times that are shown or kept, never for durations. */
  now(): number;
  /** Whole milliseconds of a clock that is never set, from an arbitrary start: for durations and waits within this process. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason, or an `AbortError`, when the signal is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
