import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { toWhoami, whoami } from '../../api/whoami.ts';
import type { Keys } from '../../security/api-keys.ts';
import type { Identify } from '../access/auth.ts';
import { json, problems } from '../openapi/responses.ts';

interface WhoamiRoutesOptions {
  readonly keys: Pick<Keys, 'inUse'>;
  readonly identify: Identify;
}

/** `GET /whoami`. */
export const whoamiRoutes: FastifyPluginAsyncZod<WhoamiRoutesOptions> = async (app, { keys, identify }) => {
  app.get('/whoami', {
    config: { scope: 'any' },
    schema: {
      operationId: 'whoami',
      tags: ['operations'],
      summary: 'What the key may do',
      description: 'The name and the scopes of the key that the request bears. Every key may ask.',
      response: {
        200: json('The key.', whoami),
        ...problems('unauthorized', 'rate_limited'),
      },
    },
    handler: async (request, reply) => {
      const { name } = identify(request);
      const scopes = [...(request.scopes ?? [])];
      return reply.header('cache-control', 'no-store').send(toWhoami({ name, scopes, keysInUse: keys.inUse }));
    },
  });
};
