import type { FastifyInstance } from 'fastify';

/** Timeouts of connections, in milliseconds. */
export interface Timeouts {
  /** From the first byte of a request to the end of its headers; then 408. */
  readonly headersMs: number;
  /** From the first byte of a request to its last; then 408. */
  readonly requestMs: number;
  /** Between two requests on a connection; then it is closed. */
  readonly idleMs: number;
  /** Without the client taking a byte of a response that has begun; then the connection is destroyed. */
  readonly stalledMs: number;
  /** While the app closes: interval at which connections without an active response are destroyed. */
  readonly drainIntervalMs: number;
  /** From the close of the app until what is still being answered is cut off. */
  readonly closeMs: number;
  /** Interval at which Node looks for requests over `headersMs` or `requestMs`. */
  readonly checkIntervalMs: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  headersMs: 15_000,
  requestMs: 60_000,
  // Longer than the 60 s for which most proxies keep an idle connection: if Easel closed first, a request could meet the close.
  idleMs: 72_000,
  stalledMs: 60_000,
  drainIntervalMs: 1_000,
  closeMs: 5_000,
  checkIntervalMs: 5_000,
};

/**
 * Switches the socket timeout off while a handler of `scope` works and on again when the response is sent. The timeout, which
 * the app sets by `connectionTimeout: stalledMs`, is for clients that stop reading: without it Node would keep the open file
 * and the buffers of their responses for ever.
 */
export function pauseSocketTimeout(scope: FastifyInstance, { stalledMs }: Timeouts): void {
  scope.addHook('onRequest', (_request, reply, done) => {
    reply.raw.setTimeout(0);
    done();
  });
  scope.addHook('onSend', (_request, reply, payload, done) => {
    reply.raw.setTimeout(stalledMs);
    done(null, payload);
  });
}
