import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isGivenName, masterName } from '../../core/domain/file-names.ts';
import { ANONYMOUS } from '../../core/domain/request.ts';
import type { CountRequest } from '../../core/ports/telemetry.ts';
import type { Tracer } from '../../core/ports/tracer.ts';
import { noteOf, pathOf } from '../protocol/problem.ts';

/** Status in logs and metrics for a client that disconnected before the answer was complete; nginx uses the same. */
const CLIENT_DISCONNECTED = 499;

/** Accepted `x-request-id` values: short, and nothing that needs escaping in logs or headers. */
const VALID_ID = /^[A-Za-z0-9][\w.:@/+=-]{0,127}$/;

/** The client's own `x-request-id` where it is valid, else a new UUID. */
export function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && VALID_ID.test(given) ? given : randomUUID();
}

/** Logs and counts every request of `app`. Register it after `traceRequests`, so that the lines carry the ids of the trace. */
export function observeRequests(app: FastifyInstance, count: CountRequest, tracer: Tracer): void {
  app.addHook('onRequest', (request, reply, done) => {
    observeRequest(request, reply, count, tracer);
    done();
  });
}

/**
 * Logs one request in one line and counts it when its connection or its answer ends. The line has the mediaId and the code of a
 * problem; headers, query and the rest of the body are not logged, since they may hold keys and prompts. Requests for health and
 * metrics are logged at `debug`. Call it inside the request's span, if there is one, so that the line carries the ids of the trace.
 */
export function observeRequest(
  request: FastifyRequest,
  reply: FastifyReply,
  count: CountRequest,
  tracer: Tracer,
): void {
  const startedAt = performance.now();
  reply.header('x-request-id', request.id);
  // `close` is emitted in every case, `finish` only when the whole answer was sent.
  const end = () => {
    const ms = performance.now() - startedAt;
    const route = request.routeOptions.url ?? 'unmatched';
    const status = observedStatus(reply.raw);
    const { code, mediaId } = noteOf(reply);
    count(request.method, route, status, ms / 1000, code);
    const level = /^\/(?:health|metrics)\b/.test(route) ? 'debug' : 'info';
    const { id, method, caller } = request;
    const line = {
      ...logRequest(id, method, route, pathOf(request), status, ms),
      ...mediaIdField(request, mediaId),
      ...(code !== null && { code }),
      ...(caller && caller !== ANONYMOUS && { key: caller.name }),
    };
    request.log[level](line, 'request');
  };
  // Bound to the trace, since a disconnect emits `close` outside of its context. Only when there is a trace: binding takes a
  // third of the CPU of a 304.
  reply.raw.once('close', tracer.traceparent() === null ? end : AsyncLocalStorage.bind(end));
}

/** The status for log and metrics: 499 where the client left before the end of the answer. */
export function observedStatus(response: ServerResponse): number {
  return response.writableFinished ? response.statusCode : CLIENT_DISCONNECTED;
}

/** The fields that every request's line has. `url` has no query, `ms` is rounded. */
export function logRequest(requestId: string, method: string, route: string, url: string, status: number, ms: number) {
  return { requestId, method, route, url, status, ms: Math.round(ms) };
}

/** The mediaId of the path, else the one that was made or found for the request, else a valid one in the body that was refused. */
function mediaIdField({ params, body }: FastifyRequest, noted: string | null): { readonly mediaId?: string } {
  const named = mediaIdOf(params) ?? noted;
  if (named !== null) return { mediaId: named };
  const asked = mediaIdOf(body);
  return asked !== null && isGivenName(masterName(asked, 'png')) ? { mediaId: asked } : {};
}

function mediaIdOf(fields: unknown): string | null {
  const { mediaId } = (fields ?? {}) as { readonly mediaId?: unknown };
  return typeof mediaId === 'string' ? mediaId : null;
}
