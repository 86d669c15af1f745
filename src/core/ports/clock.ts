/** The time; tests use a fake. */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason, or an `AbortError`, when the signal is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
