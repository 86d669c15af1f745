import type { FastifyInstance } from 'fastify';

/** How long clients may take, in milliseconds. */
export interface Patience {
  /** From the first byte of a request to the end of its headers. */
  readonly headersMs: number;
  /** From the first byte of a request to its last. */
  readonly requestMs: number;
  /** Between two requests on a connection. */
  readonly idleMs: number;
  /** Without taking a byte of an answer that has begun. */
  readonly stalledMs: number;
  /** Once the service stops: to finish what they are sending. */
  readonly lastWordsMs: number;
  /** How often Node looks for requests that are late. */
  readonly lateCheckMs: number;
}

export const PATIENCE: Patience = {
  headersMs: 15_000,
  requestMs: 60_000,
  // Longer than the 60 s for which most proxies keep an idle connection, so that they are the ones to close it.
  idleMs: 72_000,
  stalledMs: 60_000,
  lastWordsMs: 1_000,
  lateCheckMs: 5_000,
};

/** Cuts connections whose client stops reading in the middle of an answer; Node would hold file and memory for ever. */
export function cutStalledAnswers(app: FastifyInstance, { stalledMs }: Patience): void {
  app.addHook('onSend', (_request, reply, payload, done) => {
    // From here on bytes flow. Before, a call may wait for its picture for as long as it likes.
    reply.raw.setTimeout(stalledMs, () => reply.raw.destroy());
    done(null, payload);
  });
}
