/** A real HTTP server on loopback that answers as a test says, one step for each request, and keeps what came. */

import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Answers one request. */
export type HttpStep = (response: ServerResponse, request: ReceivedRequest) => void;

export interface ScriptedHttp extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** What came, in order of arrival. */
  readonly requests: readonly ReceivedRequest[];
  /** How the next requests are answered; one that comes without a step is answered with 500. */
  script(...steps: readonly HttpStep[]): void;
}

/** Starts it, on a free port unless one is given. */
export async function startScriptedHttp(port = 0): Promise<ScriptedHttp> {
  const steps: HttpStep[] = [];
  const requests: ReceivedRequest[] = [];
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    const body = Buffer.concat(await Array.fromAsync(request));
    const received = { method, url, headers, body };
    requests.push(received);
    const step = steps.shift() ?? textAnswer(500, 'the test has no step for this request');
    step(response, received);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    requests,
    script: (...more) => void steps.push(...more),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Headers = Readonly<Record<string, string>>;

/** Answers with JSON. */
export const jsonAnswer =
  (status: number, body: unknown, headers: Headers = {}): HttpStep =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

/** Answers with a problem of this code. */
export const problemAnswer = (status: number, code: string, headers: Headers = {}): HttpStep =>
  jsonAnswer(
    status,
    {
      type: `urn:easel:problem:${code}`,
      title: code,
      status,
      detail: `it is ${code}`,
      instance: '/',
      code,
      requestId: 'r-1',
    },
    { 'content-type': 'application/problem+json', ...headers },
  );

/** Answers with a page, as proxies do. */
export const textAnswer =
  (status: number, text: string, headers: Headers = {}): HttpStep =>
  (response) =>
    response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(text);

/** Answers with a stream of events, in these pieces, and ends it, or cuts the connection. */
export const eventsAnswer =
  (pieces: readonly string[], { cut = false }: { readonly cut?: boolean } = {}): HttpStep =>
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) response.write(piece);
    if (cut) response.write('', () => response.destroy());
    else response.end();
  };

/** Cuts the connection without an answer. */
export const cutConnection: HttpStep = (response) => void response.destroy();

/** Never answers. */
export const noAnswer: HttpStep = () => undefined;
