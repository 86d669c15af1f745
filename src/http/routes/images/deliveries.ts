import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import {
  deliveriesQuery,
  deliveryList,
  deliveryPage,
  deliveryParams,
  deliveryRecord,
  toDeliveryList,
  toDeliveryPage,
  toDeliveryRecord,
} from '../../../api/deliveries.ts';
import { imageParams } from '../../../api/fields.ts';
import type { Images } from '../../../core/images/images.ts';
import type { Identify } from '../../access/auth.ts';
import { BODY_PROBLEMS, json, problems } from '../../openapi/responses.ts';

interface DeliveryRoutesOptions {
  readonly images: Images;
  readonly identify: Identify;
}

/** `GET /deliveries`, `GET /images/:mediaId/deliveries` and `POST /images/:mediaId/deliveries/:id/redeliver`. */
export const deliveryRoutes: FastifyPluginAsyncZod<DeliveryRoutesOptions> = async (app, { images, identify }) => {
  app.get('/deliveries', {
    schema: {
      operationId: 'listAllDeliveries',
      tags: ['operations'],
      summary: 'List the webhook deliveries about all pictures',
      description:
        "About the pictures that the key sees: its own name's, with `read-all` everyone's. One that is not delivered yet stays in the " +
        'list after its picture was deleted, until it is.',
      querystring: deliveriesQuery,
      response: {
        200: json('A page of them.', deliveryPage),
        ...problems('invalid_request', 'unauthorized', 'forbidden', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async (request, reply) => {
      const { status, limit, cursor } = request.query;
      const page = await images.listDeliveries({ state: status ?? null, limit, cursor }, identify(request));
      return reply.header('cache-control', 'no-store').send(toDeliveryPage(page));
    },
  });

  app.get('/images/:mediaId/deliveries', {
    schema: {
      operationId: 'listDeliveries',
      tags: ['images'],
      summary: 'List the webhook deliveries about a picture',
      description: 'One delivery for each time that the picture ended and had a receiver, with its tries.',
      params: imageParams,
      response: {
        200: json('The deliveries.', deliveryList),
        ...problems('unauthorized', 'forbidden', 'not_found', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async (request) => toDeliveryList(await images.deliveries(request.params.mediaId, identify(request))),
  });

  app.post('/images/:mediaId/deliveries/:id/redeliver', {
    config: { rateLimitedAs: 'read' },
    schema: {
      operationId: 'redeliver',
      tags: ['images'],
      summary: 'Send a webhook again',
      description: 'Whatever has become of it: the same message under the same id, at once, and for a day if need be.',
      params: deliveryParams,
      response: {
        202: json('It is due.', deliveryRecord),
        ...problems(
          ...BODY_PROBLEMS,
          'unauthorized',
          'forbidden',
          'not_found',
          'rate_limited',
          'storage_full',
          'storage_unavailable',
          'shutting_down',
        ),
      },
    },
    handler: async (request, reply) => {
      const { mediaId, id } = request.params;
      return reply.code(202).send(toDeliveryRecord(await images.redeliver(mediaId, id, identify(request))));
    },
  });
};
