/**
 * The states of a provider, from the best to the worst. `paused`: it asked for a pause, and calls wait. `half_open`: its circuit breaker is
 * open, and a probe is under way. `open`: its circuit breaker is open.
 */
export const PROVIDER_STATES = ['closed', 'paused', 'half_open', 'open'] as const;

/** How a provider stands, as one process or all of them see it. Times are ISO 8601, UTC. */
export interface ProviderState {
  readonly name: string;
  /** The model that it makes where a request names none. */
  readonly model: string;
  readonly state: (typeof PROVIDER_STATES)[number];
  /** When it entered this state. `open` counts from the beginning of the outage: a failed probe does not change it. */
  readonly since: string;
  /** When the pause ends, or the next probe may begin; null where that is not known, or now. */
  readonly until: string | null;
  /** The operator's limits; null for none. */
  readonly concurrency: number | null;
  readonly perMinute: number | null;
  /** The latest failed call that says something about the provider; null where there was none. */
  readonly lastError: ProviderFailure | null;
}

export interface ProviderFailure {
  /** A `ProviderFault`. */
  readonly fault: string;
  /** A sentence without keys and prompts. */
  readonly detail: string;
  readonly at: string;
}
