import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { presetList, toPresetList } from '../../api/presets.ts';
import type { Images } from '../../core/images/images.ts';
import { json, problems } from '../openapi/responses.ts';

/** `GET /presets`. */
export const presetRoutes: FastifyPluginAsyncZod<{ images: Images }> = async (app, { images }) => {
  app.get('/presets', {
    schema: {
      operationId: 'listPresets',
      tags: ['images'],
      summary: 'List the presets',
      description:
        'Named sets of defaults for kinds of pictures: the built-in ones, and those of the file that `PRESETS` names.',
      response: {
        200: json('All of them, each in its current version.', presetList),
        ...problems('unauthorized', 'forbidden', 'rate_limited'),
      },
    },
    handler: async () => toPresetList(images.presets()),
  });
};
