import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ProblemError } from '../protocol/problem.ts';

/**
 * Refuses writing requests while the service stops or the app closes. Reading requests are served until the end. Every answer
 * then closes its connection, since a kept-alive one would delay the close.
 */
export function refuseWorkWhileStopping(app: FastifyInstance, stopping: () => boolean): void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onRequest', ({ method }, _reply, done) => {
    const refused = (closing || stopping()) && method !== 'GET' && method !== 'HEAD';
    const detail = 'the service is stopping and takes no more work; try again shortly';
    done(refused ? new ProblemError({ code: 'shutting_down', detail }) : undefined);
  });
  // Also for requests that arrived before the stop and are answered after it.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing || stopping()) reply.header('connection', 'close');
    done(null, payload);
  });
}

/**
 * While the app closes, destroys connections without an active response every `drainIntervalMs`. Node's
 * `closeIdleConnections()` leaves alone those that never sent a whole request, which browsers and load balancers open in
 * advance, and the close would wait for them for ever.
 */
export function destroyInactiveConnections(app: FastifyInstance, drainIntervalMs: number): void {
  const connections = new Set<Socket>();
  /** The last response of each connection. */
  const answers = new WeakMap<Socket, ServerResponse>();
  app.server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  app.addHook('onRequest', ({ raw }, reply, done) => {
    answers.set(raw.socket, reply.raw);
    done();
  });
  const isInactive = (socket: Socket): boolean => {
    const answer = answers.get(socket);
    return answer === undefined || answer.writableFinished || !answer.req.complete;
  };
  let timer: NodeJS.Timeout | undefined;
  app.addHook('preClose', async () => {
    // Repeated, since a response whose headers were sent before the stop keeps its connection alive when it ends.
    timer = setInterval(() => {
      for (const socket of connections) if (isInactive(socket)) socket.destroy();
    }, drainIntervalMs).unref();
  });
  app.addHook('onClose', async () => clearInterval(timer));
}
