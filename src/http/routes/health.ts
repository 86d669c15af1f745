import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { healthReport, liveReport, toHealthReport } from '../../api/health.ts';
import type { Health, HealthState } from '../monitoring/health.ts';
import { json } from '../openapi/responses.ts';

/** Interval of the background checks, in milliseconds: the accuracy of `since`. */
const CHECK_INTERVAL_MS = 10_000;

interface HealthRoutesOptions {
  readonly health: Health;
  /** Version of Easel. */
  readonly version: string;
}

/** `GET /health`, `/health/ready` and `/health/live`, without a key. With the status `error` the first two answer 503 and the report. */
export const healthRoutes: FastifyPluginAsyncZod<HealthRoutesOptions> = async (app, { health, version }) => {
  const sendState = (reply: FastifyReply, state: HealthState) =>
    reply
      .code(state.status === 'error' ? 503 : 200)
      .header('cache-control', 'no-store')
      .send(toHealthReport(state, version));

  const timer = setInterval(() => void health.report(), CHECK_INTERVAL_MS).unref();
  app.addHook('onClose', async () => clearInterval(timer));

  app.get('/health', {
    schema: {
      operationId: 'getHealth',
      security: [],
      tags: ['operations'],
      summary: 'How the service is',
      description: 'Each check is at most a second old and says since when its status is what it is, within 10 s.',
      response: {
        200: json('It works, perhaps with less than all of its parts.', healthReport),
        503: json('Something it cannot work without is broken.', healthReport),
      },
    },
    handler: async (_request, reply) => sendState(reply, await health.report()),
  });

  app.get('/health/ready', {
    schema: {
      operationId: 'getReadiness',
      security: [],
      tags: ['operations'],
      summary: 'Whether to send traffic here',
      description:
        'Red while the service stops, while storage, database or queue cannot take work, and while no provider takes ' +
        'work. Pictures that are there are served all the same: who only routes those asks `/health/live`.',
      response: { 200: json('It may take traffic.', healthReport), 503: json('It may not.', healthReport) },
    },
    handler: async (_request, reply) => sendState(reply, await health.readiness()),
  });

  app.get('/health/live', {
    schema: {
      operationId: 'getLiveness',
      security: [],
      tags: ['operations'],
      summary: 'Whether the process turns',
      response: { 200: json('It does.', liveReport) },
    },
    handler: async (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' as const }),
  });
};
