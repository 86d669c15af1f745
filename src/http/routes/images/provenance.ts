import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { imageParams } from '../../../api/fields.ts';
import { provenanceRecord, toProvenanceRecord } from '../../../api/provenance.ts';
import type { Images } from '../../../core/images/images.ts';
import type { Identify } from '../../access/auth.ts';
import { json, problems } from '../../openapi/responses.ts';

interface ProvenanceRoutesOptions {
  readonly images: Images;
  readonly identify: Identify;
}

/** `GET /images/:mediaId/provenance`. */
export const provenanceRoutes: FastifyPluginAsyncZod<ProvenanceRoutesOptions> = async (app, { images, identify }) => {
  app.get('/images/:mediaId/provenance', {
    schema: {
      operationId: 'getProvenance',
      tags: ['images'],
      summary: 'Tell where a picture comes from',
      description:
        'What the record knows of its origin, and for the original and every file that was made of it: whether the stored ' +
        'bytes are still those that were recorded, what their XMP says, and whether their C2PA manifest verifies. Files are ' +
        'read and checked anew each time.',
      params: imageParams,
      response: {
        200: json('What is known, and what verified.', provenanceRecord),
        ...problems('unauthorized', 'forbidden', 'not_found', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async (request) => toProvenanceRecord(await images.provenance(request.params.mediaId, identify(request))),
  });
};
