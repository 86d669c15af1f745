import type { FastifyInstance } from 'fastify';
import { ProblemError } from '../protocol/problem.ts';
import type { OpenConnections } from './open-connections.ts';
import type { Timeouts } from './timeouts.ts';

/**
 * What is served during a stop besides reads. Cancelling and deleting end a call that the stop would wait for; a changed record is
 * durable, as is a delivery that is made due again, which the next process sends if not this one. A route that is not named here is
 * refused.
 */
const SERVED_WHILE_STOPPING = new Set([
  'POST /images/preview',
  'POST /images/:mediaId/cancel',
  'PATCH /images/:mediaId',
  'DELETE /images/:mediaId',
  'POST /images/:mediaId/deliveries/:id/redeliver',
  // Its tools are requests of their own, each of which is served or refused.
  'POST /mcp',
]);

/** OPTIONS asks whether a web page may read. */
const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses new work while the service stops or the app closes, on old and new connections; everything else is served until the end.
 * Every answer then closes its connection: a load balancer opens the next one elsewhere, and a kept-alive one would delay the close.
 * Returns whether the service stops or the app closes.
 */
export function refuseWorkWhileStopping(app: FastifyInstance, stopping: () => boolean): () => boolean {
  let closing = false;
  const isStopping = () => closing || stopping();
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onRequest', ({ method, routeOptions }, _reply, done) => {
    const served = READS.has(method) || SERVED_WHILE_STOPPING.has(`${method} ${routeOptions.url}`);
    const refused = isStopping() && !served;
    const detail = 'the service is stopping and takes no more work; try again shortly';
    done(refused ? new ProblemError({ code: 'shutting_down', detail }) : undefined);
  });
  // Also for requests that arrived before the stop and are answered after it.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (isStopping()) reply.header('connection', 'close');
    done(null, payload);
  });
  return isStopping;
}

/**
 * While the app closes, destroys connections without an active response every `drainIntervalMs`, and all that are left after
 * `closeMs`. Node's `closeIdleConnections()` leaves alone those that never sent a whole request, which browsers and load balancers
 * open in advance, and the close would wait for them for ever.
 */
export function endConnections(
  app: FastifyInstance,
  { sockets, isInactive }: OpenConnections,
  { drainIntervalMs, closeMs }: Pick<Timeouts, 'drainIntervalMs' | 'closeMs'>,
): void {
  let draining: NodeJS.Timeout | undefined;
  let closing: NodeJS.Timeout | undefined;
  app.addHook('preClose', async () => {
    closing = setTimeout(() => {
      for (const socket of sockets.keys()) socket.destroy();
    }, closeMs);
    // Repeated, since a response whose headers were sent before the stop keeps its connection alive when it ends.
    draining = setInterval(() => {
      for (const socket of sockets.keys()) if (isInactive(socket)) socket.destroy();
    }, drainIntervalMs).unref();
  });
  app.addHook('onClose', async () => {
    clearInterval(draining);
    clearTimeout(closing);
  });
}
