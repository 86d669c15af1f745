import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { thumbHashToDataURL } from 'thumbhash';
import { z } from 'zod';
import { createImage, patchHeaders, patchImage, requestPreview, toRequestPreview } from '../../../api/create-image.ts';
import { imageParams } from '../../../api/fields.ts';
import { imageList, labelList, listQuery, toImageList, toLabelList } from '../../../api/image-list.ts';
import { imagePreview, imageRecord, toImagePreview } from '../../../api/image-record.ts';
import type { ToRecord } from '../../../core/domain/record.ts';
import type { Images } from '../../../core/images/images.ts';
import type { Identify } from '../../access/auth.ts';
import { BODY_PROBLEMS, json, problemContent, problems } from '../../openapi/responses.ts';
import { ProblemError } from '../../protocol/problem.ts';
import { isRecordKnown, preconditionOf, RECORD_TAG, setRecordTag } from '../../protocol/record-tag.ts';
import { requestWithFiles, withFiles } from './uploads.ts';

interface ImageRoutesOptions {
  readonly images: Images;
  readonly identify: Identify;
  readonly toRecord: ToRecord;
  /** Whether the URLs in records are signed, and run out. */
  readonly areUrlsSigned: boolean;
}

/**
 * `/labels`, and of `/images` preview, list, get, change, cancel and delete. What starts runs, events, provenance and deliveries have
 * their own files.
 */
export const imageRoutes: FastifyPluginAsyncZod<ImageRoutesOptions> = async (app, options) => {
  const { images, identify, toRecord, areUrlsSigned } = options;

  app.post('/images/preview', {
    config: { rateLimitedAs: 'read', multipart: requestWithFiles(app) },
    schema: {
      operationId: 'previewImage',
      tags: ['images'],
      summary: 'See what a picture would be made of',
      description: 'Takes what `POST /images` takes. Calls no provider, writes nothing and costs nothing.',
      body: createImage,
      response: {
        200: json('What would be done.', requestPreview),
        ...problems(
          ...BODY_PROBLEMS,
          'unauthorized',
          'forbidden',
          'not_found',
          'media_id_conflict',
          'unsupported_parameter',
          'rate_limited',
          'queue_full',
          'storage_unavailable',
        ),
      },
    },
    handler: async (request) =>
      toRequestPreview(await withFiles(request, (create) => images.preview(create, identify(request)))),
  });

  app.get('/images', {
    schema: {
      operationId: 'listImages',
      tags: ['images'],
      summary: 'List pictures',
      description:
        'Newest first, those that fit all that is given. Pages stay true while pictures come and go. Go on until `nextCursor` is null: ' +
        'with `q` or `preset` a page may have fewer than `limit`, even none, and be followed by others.',
      querystring: listQuery,
      response: {
        200: json('A page of records.', imageList),
        ...problems('invalid_request', 'unauthorized', 'forbidden', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async (request) => await toImageList(await images.list(request.query, identify(request)), toRecord),
  });

  app.get('/labels', {
    schema: {
      operationId: 'listLabels',
      tags: ['images'],
      summary: 'List the labels in use',
      description: 'With the number of pictures that have each: of those that the key sees.',
      response: {
        200: json('The labels.', labelList),
        ...problems('unauthorized', 'forbidden', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async (request) => toLabelList(await images.labels(identify(request))),
  });

  app.get('/images/:mediaId', {
    schema: {
      operationId: 'getImage',
      tags: ['images'],
      summary: 'Get the record of a picture',
      description:
        'With `If-None-Match` and its `ETag`, 304 while it has not changed: not while it is `queued`, as its place in line moves, nor ' +
        'where its URLs are signed, as these run out.',
      params: imageParams,
      response: {
        200: json('The record.', imageRecord, { ETag: RECORD_TAG }),
        304: z.undefined().describe('The record that the client has is still good.'),
        ...problems('unauthorized', 'forbidden', 'not_found', 'rate_limited', 'storage_unavailable'),
        412: problemContent('`If-Match` does not name the record as it is.', ['invalid_request'], 412),
      },
    },
    handler: async (request, reply) => {
      const image = await images.get(request.params.mediaId, identify(request));
      setRecordTag(reply, image);
      if (isRecordKnown(request, image, !areUrlsSigned)) return reply.code(304).send();
      return await toRecord(image);
    },
  });

  app.patch('/images/:mediaId', {
    schema: {
      operationId: 'patchImage',
      tags: ['images'],
      summary: 'Change what does not make another picture',
      description:
        'Labels, metadata, the time to live, the webhook and the pin, whatever the status: of a picture that is being made, too. The ' +
        'work goes on. A new `webhookUrl` is that of the next event. A pinned picture is removed by no cleanup. With ' +
        '`If-Match` and the `ETag` of the record that the change was made from, nothing that was changed meanwhile is lost: it is 412.',
      params: imageParams,
      headers: patchHeaders,
      body: patchImage,
      response: {
        200: json('The record as it now stands.', imageRecord, { ETag: RECORD_TAG }),
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
        412: problemContent('The record is not the one that `If-Match` names.', ['invalid_request'], 412),
      },
    },
    handler: async (request, reply) => {
      const { params, body } = request;
      const image = await images.patch(params.mediaId, body, identify(request), preconditionOf(request));
      setRecordTag(reply, image);
      return await toRecord(image);
    },
  });

  app.post('/images/:mediaId/cancel', {
    config: { rateLimitedAs: 'read' },
    schema: {
      operationId: 'cancelImage',
      tags: ['images'],
      summary: 'Cancel a picture',
      description:
        'A picture that waits is cancelled at once, and the call for one that is being made is broken off. One that has ' +
        'ended stays as it is, and so does one that is cancelled already. A picture that arrives after all is kept, with ' +
        'the warning `picture_kept`: the same `POST /images` then finishes it without paying again.',
      params: imageParams,
      response: {
        200: json('The record as it now stands.', imageRecord, { ETag: RECORD_TAG }),
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
      const image = await images.cancel(request.params.mediaId, identify(request));
      setRecordTag(reply, image);
      return await toRecord(image);
    },
  });

  app.get('/images/:mediaId/preview', {
    schema: {
      operationId: 'getPreview',
      tags: ['images'],
      summary: 'Get a stand-in for a picture',
      description: 'What a page can show while the picture loads: a blurred picture in a data URL, and one colour.',
      params: imageParams,
      response: {
        200: json('The stand-in.', imagePreview),
        ...problems('unauthorized', 'forbidden', 'not_found', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async (request) => {
      const image = await images.get(request.params.mediaId, identify(request));
      const preview = toImagePreview(image, thumbhashDataUrl);
      if (preview === null) {
        throw new ProblemError({ code: 'not_found', detail: 'there is no picture yet', mediaId: image.mediaId });
      }
      return preview;
    },
  });

  app.delete('/images/:mediaId', {
    schema: {
      operationId: 'deleteImage',
      tags: ['images'],
      summary: 'Delete a picture',
      description: 'Its record and all its files. A picture that is being made is cancelled first.',
      params: imageParams,
      response: {
        204: z.undefined().describe('It is gone.'),
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
      await images.remove(request.params.mediaId, identify(request));
      return reply.code(204).send();
    },
  });
};

/** A thumbhash, in base64, as a PNG in a data URL. */
function thumbhashDataUrl(thumbhash: string): string {
  return thumbHashToDataURL(Buffer.from(thumbhash, 'base64'));
}
