import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { cleanupBody, cleanupReport, lastCleanup, toCleanupReport, toLastCleanup } from '../../api/cleanup.ts';
import type { Images } from '../../core/images/images.ts';
import { BODY_PROBLEMS, json, problems } from '../openapi/responses.ts';

/** `POST /cleanup` and `GET /cleanup/last`. */
export const cleanupRoutes: FastifyPluginAsyncZod<{ images: Images }> = async (app, { images }) => {
  app.post('/cleanup', {
    config: { scope: 'admin', rateLimitedAs: 'read' },
    schema: {
      operationId: 'cleanUp',
      tags: ['operations'],
      summary: 'Delete what has expired',
      description:
        'Deletes finished pictures that have reached their `expiresAt`, those older than `olderThan`, the oldest beyond ' +
        '`maxBytes`, and files that belong to no record. Pinned pictures stay. Files that a record has and the ' +
        'disk has not are made again from the original. The same runs on a schedule.',
      body: cleanupBody,
      response: {
        200: json('What was deleted, or would be.', cleanupReport),
        ...problems(
          ...BODY_PROBLEMS,
          'unauthorized',
          'forbidden',
          'rate_limited',
          'storage_unavailable',
          'shutting_down',
        ),
      },
    },
    handler: async (request) => toCleanupReport(await images.cleanup(request.body)),
  });

  app.get('/cleanup/last', {
    config: { scope: 'admin' },
    schema: {
      operationId: 'getLastCleanup',
      tags: ['operations'],
      summary: 'See what the last cleanup did',
      description: 'Whether it was asked for or ran by itself. It outlives a restart.',
      response: {
        200: json('Its report.', lastCleanup),
        ...problems('unauthorized', 'forbidden', 'not_found', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async () => toLastCleanup(await images.lastCleanup()),
  });
};
