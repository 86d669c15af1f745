import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Metrics } from '../../core/ports/telemetry.ts';
import { problems } from '../openapi/responses.ts';

/** `GET /metrics`. */
export const metricsRoutes: FastifyPluginAsyncZod<{ metrics: Metrics }> = async (app, { metrics }) => {
  app.get('/metrics', {
    schema: {
      operationId: 'getMetrics',
      tags: ['operations'],
      summary: 'Metrics for Prometheus',
      response: {
        200: { description: 'Prometheus text.', content: { 'text/plain': { schema: z.string() } } },
        ...problems('unauthorized', 'forbidden'),
      },
    },
    handler: async (_request, reply) => {
      const { contentType, body } = await metrics.expose();
      return reply.type(contentType).header('cache-control', 'no-store').send(body);
    },
  });
};
