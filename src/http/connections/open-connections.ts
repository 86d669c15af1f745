import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** The connections of an app. */
export interface OpenConnections {
  /** In the order of their last request, or of their beginning; a copy is not made. */
  readonly sockets: ReadonlySet<Socket>;
  /** True without a whole request that is still being answered. */
  isInactive(socket: Socket): boolean;
  /** Calls `listener` after each new connection. */
  onOpen(listener: () => void): void;
}

/** Follows the connections of `app`, also of those that have not sent anything yet. */
export function trackConnections(app: FastifyInstance): OpenConnections {
  const sockets = new Set<Socket>();
  const listeners: (() => void)[] = [];
  /** The last response of each connection. */
  const answers = new WeakMap<Socket, ServerResponse>();

  // Not the server's `connection`: on `localhost` Fastify listens on a second server, for the other IP version, which it does not show.
  const opened = (message: unknown) => {
    const { socket } = message as { readonly socket: Socket };
    if (socket.localPort !== (app.server.address() as AddressInfo | null)?.port) return;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    for (const listener of listeners) listener();
  };
  subscribe('net.server.socket', opened);
  app.addHook('onClose', async () => void unsubscribe('net.server.socket', opened));

  app.addHook('onRequest', ({ raw: { socket } }, reply, done) => {
    answers.set(socket, reply.raw);
    if (sockets.delete(socket)) sockets.add(socket);
    done();
  });

  return {
    sockets,
    isInactive(socket) {
      const answer = answers.get(socket);
      return answer === undefined || answer.writableFinished || !answer.req.complete;
    },
    onOpen: (listener) => void listeners.push(listener),
  };
}
