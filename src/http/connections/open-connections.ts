import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** The connections of an app. */
export interface OpenConnections {
  /** In the order of their last request, or of their beginning; a copy is not made. */
  readonly sockets: Pick<ReadonlyMap<Socket, unknown>, 'keys' | 'size'>;
  /** True without a whole request that is still being answered. */
  isInactive(socket: Socket): boolean;
  /** Notes that `response` is the connection's answer from now on. The app's hook calls it for every request that it routes. */
  noteRequest(socket: Socket, response: ServerResponse): void;
  /** Calls `listener` after each new connection. */
  onOpen(listener: () => void): void;
}

/** Follows the connections of `app`, also of those that have not sent anything yet. */
export function trackConnections(app: FastifyInstance): OpenConnections {
  /** Each connection with its last response, if any. */
  const sockets = new Map<Socket, ServerResponse | null>();
  const listeners: (() => void)[] = [];

  // Not the server's `connection`: on `localhost` Fastify listens on a second server, for the other IP version, which it does not show.
  const opened = (message: unknown) => {
    const { socket } = message as { readonly socket: Socket };
    if (socket.localPort !== (app.server.address() as AddressInfo | null)?.port) return;
    sockets.set(socket, null);
    socket.once('close', () => sockets.delete(socket));
    for (const listener of listeners) listener();
  };
  subscribe('net.server.socket', opened);
  app.addHook('onClose', async () => void unsubscribe('net.server.socket', opened));

  const noteRequest = (socket: Socket, response: ServerResponse) => {
    if (sockets.delete(socket)) sockets.set(socket, response);
  };
  app.addHook('onRequest', ({ raw: { socket } }, reply, done) => {
    noteRequest(socket, reply.raw);
    done();
  });

  return {
    sockets,
    noteRequest,
    isInactive(socket) {
      const answer = sockets.get(socket);
      return answer == null || answer.writableFinished || !answer.req.complete;
    },
    onOpen: (listener) => void listeners.push(listener),
  };
}
