import { randomUUID } from 'node:crypto';
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { type ProblemSpec, toProblem } from '../../api/problem.ts';
import { ProblemError } from '../protocol/problem.ts';

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
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
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

/** Refuses HTTP/1.1 requests without a Host header (RFC 9112, 3.2). Node's own refusal would have no body. */
export function requireHost(app: FastifyInstance): void {
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    const missing = raw.headers.host === undefined && raw.httpVersion === '1.1';
    const detail = 'the Host header is missing';
    done(missing ? new ProblemError({ code: 'invalid_request', detail }) : undefined);
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
