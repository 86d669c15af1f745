import type { FastifyInstance } from 'fastify';

/** How long clients may take, in milliseconds. */
export interface Timeouts {
  /** From the first byte of a request to the end of its headers. */
  readonly headersMs: number;
  /** From the first byte of a request to its last. */
  readonly requestMs: number;
  /** Between two requests on a connection. */
  readonly idleMs: number;
  /** Without taking a byte of an answer that has begun. */
  readonly stalledMs: number;
  /** Once the service stops: to finish what they are sending. */
  readonly drainIntervalMs: number;
  /** How often Node looks for requests that are late. */
  readonly checkIntervalMs: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  headersMs: 15_000,
  requestMs: 60_000,
  // Longer than the 60 s for which most proxies keep an idle connection, so that they are the ones to close it.
  idleMs: 72_000,
  stalledMs: 60_000,
  drainIntervalMs: 1_000,
  checkIntervalMs: 5_000,
};

/**
 * Lets calls to `scope` wait for their answer as long as they like, where the app's `connectionTimeout` is `stalledMs`: that
 * cuts connections on which no byte moves, since Node would hold file and memory of an answer that nobody reads for ever.
 */
export function pauseSocketTimeout(scope: FastifyInstance, { stalledMs }: Timeouts): void {
  scope.addHook('onRequest', (_request, reply, done) => {
    reply.raw.setTimeout(0);
    done();
  });
  scope.addHook('onSend', (_request, reply, payload, done) => {
    // From here on bytes flow.
    reply.raw.setTimeout(stalledMs);
    done(null, payload);
  });
}
