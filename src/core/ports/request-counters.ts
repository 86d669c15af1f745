/** Counts the requests of clients in fixed windows, from the first request of each. */
export interface RequestCounters {
  /** Counts one request, also one over a limit. `client` names the client and what is counted. */
  count(client: string, windowMs: number): Promise<RequestCount>;
}

export interface RequestCount {
  /** Requests in this window, with this one. */
  readonly current: number;
  /** Milliseconds until the window ends. */
  readonly ttl: number;
}
