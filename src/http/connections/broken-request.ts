import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { type ProblemSpec, toProblem } from '../../api/problem.ts';
import { ProblemError } from '../protocol/problem.ts';
import { http } from './node-http.ts';

/** How long a refused client may go on sending before its connection is destroyed, in milliseconds: time to read the answer. */
const LINGER_MS = 2_000;

/**
 * Listener of the server's `clientError`: answers input that Node could not parse as HTTP with a problem. The connection is
 * half closed first and destroyed later, since a reset could overtake the answer.
 */
export function handleClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (socket.writableEnded) return;
  // As in Node's own listener: nothing may be written into the middle of an answer.
  const { _httpMessage: running } = socket as Socket & { readonly _httpMessage?: ServerResponse | null };
  if (error.code === 'ECONNRESET' || !socket.writable || running?.headersSent) {
    socket.destroy();
    return;
  }
  const problem = toProblem(problemFor(error.code), '', randomUUID());
  const body = JSON.stringify(problem);
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${http.STATUS_CODES[problem.status]}`,
      'Connection: close',
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `X-Request-Id: ${problem.requestId}`,
      '',
      body,
    ].join('\r\n'),
  );
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}

/**
 * Refuses HTTP/1.1 requests without a Host header, and all with several (RFC 9112, 3.2): a proxy may go by another one than Easel. Node's
 * own refusal of the former would have no body, and it takes the first of several.
 */
export function requireHost(app: FastifyInstance): void {
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    const count = countHosts(raw.rawHeaders);
    if (count === 1 || (count === 0 && raw.httpVersion === '1.0')) return done();
    const detail = count === 0 ? 'the Host header is missing' : 'there are several Host headers';
    done(new ProblemError({ code: 'invalid_request', detail }));
  });
}

/** How many Host headers there are. `rawHeaders` has names and values in turn. */
export function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.length === 4 && rawHeaders[at]?.toLowerCase() === 'host') count += 1;
  }
  return count;
}

/** Makes `app` ignore `Range` but in a GET, for which alone it is defined (RFC 9110, 14.2). */
export function ignoreRangeOfHead(app: FastifyInstance): void {
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    if (raw.method !== 'GET') delete raw.headers.range;
    done();
  });
}

function problemFor(code: string | undefined): ProblemSpec {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return { code: 'invalid_request', status: 431, detail: 'the URL and the headers together are too large' };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { code: 'invalid_request', status: 408, detail: 'the request did not arrive in time' };
    default:
      return { code: 'invalid_request', detail: 'the request could not be read as HTTP' };
  }
}
