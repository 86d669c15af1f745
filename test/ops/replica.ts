import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';

/** A server in the place of a replica, which shows what a proxy does to its traffic. */
export interface StandIn extends AsyncDisposable {
  readonly port: number;
  /** The next upload, as soon as its head has come. */
  upload(): Promise<{ readonly headers: IncomingHttpHeaders; readonly body: IncomingMessage }>;
}

/** Answers events with one event and no end, uploads with 201 once they are whole, and anything else with its own path. */
export async function startReplica(): Promise<StandIn> {
  const uploads = Promise.withResolvers<{ headers: IncomingHttpHeaders; body: IncomingMessage }>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = request.url ?? '';
    if (request.method === 'POST') {
      uploads.resolve({ headers: request.headers, body: request });
      request.on('end', () => response.writeHead(201).end());
    } else if (url.endsWith('/events')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
    } else response.writeHead(200, { etag: '"1"' }).end(url);
  };
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    upload: () => uploads.promise,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
