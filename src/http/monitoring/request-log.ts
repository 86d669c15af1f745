import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CountRequest } from '../../core/ports/telemetry.ts';
import type { Tracer } from '../../core/ports/tracer.ts';
import { ANONYMOUS } from '../access/auth.ts';
import { pathOf } from '../protocol/problem.ts';

/** Status of a request whose client left before the answer, as nginx counts them. */
const CLIENT_LEFT = 499;

/** What a client may name its request: short enough for a log, and nothing that a log or a header would have to escape. */
const VALID_ID = /^[A-Za-z0-9][\w.:@/+=-]{0,127}$/;

/** The client's own `x-request-id` where it is sane, else a new one. */
export function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && VALID_ID.test(given) ? given : randomUUID();
}

/**
 * Watches one request to its end, then logs it in one line and counts it. No header, no body and no query is logged,
 * since they may hold keys and prompts. Requests of the watchers themselves (health, metrics) are logged at `debug`. Call it
 * inside the request's span, where it has one: the line bears its ids.
 */
export function observeRequest(
  request: FastifyRequest,
  reply: FastifyReply,
  count: CountRequest,
  tracer: Tracer,
): void {
  const begun = performance.now();
  reply.header('x-request-id', request.id);
  // `close` comes in every case, `finish` only when the whole answer was handed over.
  const end = () => {
    const ms = performance.now() - begun;
    const route = request.routeOptions.url ?? 'unmatched';
    const status = reply.raw.writableFinished ? reply.statusCode : CLIENT_LEFT;
    count(request.method, route, status, ms / 1000);
    const level = /^\/(?:health|metrics)\b/.test(route) ? 'debug' : 'info';
    const { method, caller } = request;
    const line = {
      requestId: request.id,
      method,
      route,
      url: pathOf(request),
      status,
      ms: Math.round(ms),
      ...(caller && caller !== ANONYMOUS && { key: caller.name }),
    };
    request.log[level](line, 'request');
  };
  // Bound, since a client that leaves closes the connection from outside the trace. Only where there is one: what is bound
  // lives so long that it takes a third of the CPU of a 304.
  reply.raw.once('close', tracer.traceparent() === null ? end : AsyncLocalStorage.bind(end));
}
