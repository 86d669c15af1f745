import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { operationsReport, toOperationsReport } from '../../api/operations.ts';
import type { Images } from '../../core/images/images.ts';
import { json, problems } from '../openapi/responses.ts';

/** `GET /operations`. */
export const operationsRoutes: FastifyPluginAsyncZod<{ images: Images }> = async (app, { images }) => {
  app.get('/operations', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'getOperations',
      tags: ['operations'],
      summary: 'See how the service stands',
      description:
        'Providers, queue, disk, cleanup, how long the stages took, and the running processes: of all replicas over these records. ' +
        'It is at most a second old; what another replica says of its providers and of its stages is up to ten seconds older.',
      response: {
        200: json('How it stands.', operationsReport),
        ...problems('unauthorized', 'forbidden', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async (_request, reply) =>
      reply.header('cache-control', 'no-store').send(toOperationsReport(await images.operations())),
  });
};
