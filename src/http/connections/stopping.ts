import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ImageError } from '../../core/domain/errors.ts';

/**
 * Refuses what would begin or change something once `stopping`, or when the app has begun to close. Reading goes on, so
 * that pictures are served until the end; but each answer ends its connection, since a kept one would hold up the close.
 */
export function refuseWorkWhileStopping(stopping: () => boolean, app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onRequest', ({ method }, _reply, done) => {
    const refused = (closing || stopping()) && method !== 'GET' && method !== 'HEAD';
    const detail = 'the service is stopping and takes no more work; try again shortly';
    done(refused ? new ImageError('shutting_down', detail) : undefined);
  });
  // Also for calls that came before the order and are answered after it.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing || stopping()) reply.header('connection', 'close');
    done(null, payload);
  });
}

/**
 * Once `app` closes, cuts every `lastWordsMs` the connections that are silent: over which no whole request has come, or is answered. Node waits
 * for them without end, such as for those that browsers and load balancers open ahead of need, and with them would the stop.
 */
export function destroyInactiveConnections(app: FastifyInstance, drainIntervalMs: number): void {
  const connections = new Set<Socket>();
  /** The last answer of each. */
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
    // Again and again: an answer whose head left before the order may end later, and keep its connection.
    timer = setInterval(() => {
      for (const socket of connections) if (isInactive(socket)) socket.destroy();
    }, drainIntervalMs).unref();
  });
  app.addHook('onClose', async () => clearInterval(timer));
}
