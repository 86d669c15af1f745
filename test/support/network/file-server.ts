/** A server of files by their path, on a loopback address, for what a service fetches. */

import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FileServer extends AsyncDisposable {
  readonly origin: string;
  /** `host:port`, as a list of allowed hosts has it. */
  readonly host: string;
  /** Paths in the order of their requests. */
  readonly asked: readonly string[];
  /** What a path answers from now on: bytes, or a listener. Any other path answers 404. */
  serve(path: string, answer: Uint8Array | RequestListener): string;
}

export async function startFileServer(): Promise<FileServer> {
  const answers = new Map<string, Uint8Array | RequestListener>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const answer = answers.get(path);
    if (typeof answer === 'function') answer(request, response);
    else if (answer) response.end(answer);
    else response.writeHead(404).end('<!doctype html><title>Not found</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin: `http://${host}`,
    host,
    asked,
    serve(path, answer) {
      answers.set(path, answer);
      return `http://${host}${path}`;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An answer that leads to another address. */
export const redirectTo =
  (location: string, status = 302): RequestListener =>
  (_request, response) =>
    response.writeHead(status, { location }).end();
