import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { modelList, toModelList } from '../../api/models.ts';
import type { Images } from '../../core/images/images.ts';
import { json, problems } from '../openapi/responses.ts';

/** `GET /models`. */
export const modelRoutes: FastifyPluginAsyncZod<{ images: Images }> = async (app, { images }) => {
  app.get('/models', {
    schema: {
      operationId: 'listModels',
      tags: ['images'],
      summary: 'List the models',
      description:
        'What the configured providers offer, in the order in which they are asked: sizes, limits and prices as the catalog has ' +
        'them, and whether each can be called now. Retired models stay in the list.',
      response: {
        200: json('All of them.', modelList),
        ...problems('unauthorized', 'forbidden', 'rate_limited'),
      },
    },
    handler: async (_request, reply) => reply.header('cache-control', 'no-store').send(toModelList(images.models())),
  });
};
