import type { FastifyInstance } from 'fastify';
import { NO_TRACING, type Tracer } from '../../core/ports/tracer.ts';
import { pathOf } from '../protocol/problem.ts';

/** High-volume routes that are not traced: their spans would bury the others. */
const NOT_TRACED = /^\/(?:health|metrics|media|docs)\b/;

/**
 * Traces each request of the API in a span, from its headers to the end of its answer; the span continues the trace of the
 * caller's `traceparent`. Register it before the hooks that are to run inside the span. Without tracing it adds no hook.
 */
export function traceRequests(app: FastifyInstance, tracer: Tracer): void {
  if (tracer === NO_TRACING) return;
  app.addHook('onRequest', (request, reply, done) => {
    const { method, headers } = request;
    const route = request.routeOptions.url ?? 'unmatched';
    if (NOT_TRACED.test(route)) return done();
    const { traceparent } = headers;
    const span = {
      name: `${method} ${route}`,
      kind: 'server',
      parent: typeof traceparent === 'string' ? traceparent : null,
      attributes: {
        'http.request.method': method,
        'http.route': route,
        'url.path': pathOf(request),
        'url.scheme': request.protocol,
        'easel.request.id': request.id,
      },
    } as const;
    void tracer.span(span, async () => {
      const closed = new Promise((resolve) => reply.raw.once('close', resolve));
      done();
      await closed;
      // No status: the client disconnected before the answer was complete.
      if (!reply.raw.writableFinished) return;
      const { statusCode } = reply;
      if (statusCode >= 500) tracer.fail(new Error(`answered ${statusCode}`));
      tracer.annotate({
        'http.response.status_code': statusCode,
        'error.type': statusCode >= 500 ? String(statusCode) : null,
      });
    });
  });
}
