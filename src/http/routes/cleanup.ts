import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { Images } from '../../images/service.ts';
import { json, problems } from '../openapi.ts';
import { cleanupOrder, cleanupReport } from '../schemas.ts';

/** `POST /cleanup`. */
export const cleanupRoutes: FastifyPluginAsyncZod<{ images: Images }> = async (app, { images }) => {
  app.post('/cleanup', {
    schema: {
      operationId: 'cleanUp',
      tags: ['operations'],
      summary: 'Delete what has expired',
      description:
        'Deletes finished pictures that have reached their `expiresAt`, those older than `olderThan`, and files that ' +
        'belong to no record. The same runs on a schedule.',
      body: cleanupOrder,
      response: {
        200: json('What was deleted, or would be.', cleanupReport),
        ...problems('invalid_request', 'payload_too_large', 'unsupported_media_type', 'storage_unavailable'),
      },
    },
    handler: (request) => images.cleanup(request.body),
  });
};
