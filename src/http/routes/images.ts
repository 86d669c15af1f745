import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { thumbHashToDataURL } from 'thumbhash';
import { z } from 'zod';
import { createImage, createImageHeaders, requestPreview, toRequestPreview } from '../../api/create-image.ts';
import { imageParams } from '../../api/fields.ts';
import {
  imageList,
  imagePreview,
  imageRecord,
  listQuery,
  toImageList,
  toImagePreview,
} from '../../api/image-record.ts';
import { failureProblem } from '../../api/problem.ts';
import { type Image, isFinished } from '../../core/domain/image.ts';
import { type MediaUrls, toRecord } from '../../core/domain/record.ts';
import type { Images } from '../../core/images/images.ts';
import type { Identify } from '../access/auth.ts';
import { json, problems } from '../openapi/responses.ts';
import { appliedPreferences, readPreferences, secondsToWait } from '../protocol/prefer.ts';
import { ProblemError, sendProblem } from '../protocol/problem.ts';

interface ImageRoutesOptions {
  readonly images: Images;
  readonly identify: Identify;
  /** The URLs of published files. */
  readonly urls: MediaUrls;
  /** Longest that `POST /images` waits for an image to finish. */
  readonly syncWaitSeconds: number;
  /** True while the process is overloaded. */
  readonly isOverloaded: () => boolean;
}

/** `Retry-After` of a 202: a model takes some 10 to 60 s. */
const POLL_SECONDS = 5;

const retryAfter = { type: 'integer', description: 'Seconds after which to ask again.' };
const location = { type: 'string', description: 'Where the record is.' };
const applied = { type: 'string', description: 'Which preferences made a difference.' };

/** `/images`: create, preview, list, get, cancel and delete images. Events, provenance and deliveries have files of their own. */
export const imageRoutes: FastifyPluginAsyncZod<ImageRoutesOptions> = async (app, options) => {
  const { images, identify, urls, syncWaitSeconds, isOverloaded } = options;
  const record = (image: Image) => toRecord(image, urls);

  app.post('/images', {
    schema: {
      operationId: 'createImage',
      tags: ['images'],
      summary: 'Make a picture',
      description:
        'Waits for the end, up to `SYNC_WAIT_SECONDS` unless `Prefer` says otherwise; then the work goes on and ' +
        '`GET /images/{mediaId}` tells how far it is. The work also goes on when the client leaves. The same ' +
        '`mediaId` with the same request is paid once, however often it is sent.',
      headers: createImageHeaders,
      body: createImage,
      response: {
        200: json('The same request was made before: nothing is paid.', imageRecord, { Location: location }),
        201: json('Done now.', imageRecord, { Location: location, 'Preference-Applied': applied }),
        202: json('Accepted, and still at work.', imageRecord, {
          Location: location,
          'Retry-After': retryAfter,
          'Preference-Applied': applied,
        }),
        ...problems(
          'invalid_request',
          'unauthorized',
          'forbidden',
          'media_id_conflict',
          'payload_too_large',
          'unsupported_media_type',
          'unsupported_parameter',
          'prompt_rejected',
          'idempotency_key_reused',
          'budget_exhausted',
          'rate_limited',
          'queue_full',
          'provider_failed',
          'invalid_image',
          'provider_unavailable',
          'storage_unavailable',
          'shutting_down',
          'provider_timeout',
          'storage_full',
        ),
      },
    },
    handler: async (request, reply) => {
      const { 'idempotency-key': idempotencyKey, prefer } = request.headers;
      const preferences = readPreferences(prefer);
      const seconds = secondsToWait(preferences, syncWaitSeconds);

      // A disconnect ends the wait, never the work.
      const clientGone = new AbortController();
      reply.raw.once('close', () => clientGone.abort());

      const submission = await images.submit(request.body, identify(request), idempotencyKey ?? null, {
        overloaded: isOverloaded(),
      });
      const { mediaId } = submission.image;
      const image =
        seconds === 0 || isFinished(submission.image.status)
          ? submission.image
          : await images.waitUntilFinished(mediaId, seconds * 1000, clientGone.signal);
      if (image === null) {
        throw new ProblemError({
          code: 'not_found',
          detail: 'the picture was deleted while it was being made',
          mediaId,
        });
      }

      const finished = isFinished(image.status);
      const preferenceApplied = appliedPreferences(preferences, seconds, finished);
      if (preferenceApplied !== null) reply.header('preference-applied', preferenceApplied);
      if (image.status === 'failed') return sendProblem(reply, failureProblem(image));

      reply.header('location', `/images/${mediaId}`);
      if (!finished) return reply.code(202).header('retry-after', POLL_SECONDS).send(record(image));
      const doneNow = submission.started && image.status === 'succeeded';
      return reply.code(doneNow ? 201 : 200).send(record(image));
    },
  });

  app.post('/images/preview', {
    config: { rateLimitedAs: 'read' },
    schema: {
      operationId: 'previewImage',
      tags: ['images'],
      summary: 'See what a picture would be made of',
      description: 'Takes what `POST /images` takes. Calls no provider, writes nothing and costs nothing.',
      body: createImage,
      response: {
        200: json('What would be done.', requestPreview),
        ...problems(
          'invalid_request',
          'unauthorized',
          'forbidden',
          'payload_too_large',
          'unsupported_media_type',
          'unsupported_parameter',
          'rate_limited',
        ),
      },
    },
    handler: async (request) => toRequestPreview(await images.preview(request.body, identify(request))),
  });

  app.get('/images', {
    schema: {
      operationId: 'listImages',
      tags: ['images'],
      summary: 'List pictures',
      description: 'Newest first. Pages stay true while pictures come and go.',
      querystring: listQuery,
      response: {
        200: json('A page of records.', imageList),
        ...problems('invalid_request', 'unauthorized', 'forbidden', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async (request) => toImageList(await images.list(request.query, identify(request)), urls),
  });

  app.get('/images/:mediaId', {
    schema: {
      operationId: 'getImage',
      tags: ['images'],
      summary: 'Get the record of a picture',
      params: imageParams,
      response: {
        200: json('The record.', imageRecord),
        ...problems('unauthorized', 'forbidden', 'not_found', 'rate_limited', 'storage_unavailable'),
      },
    },
    handler: async (request) => record(await images.get(request.params.mediaId, identify(request))),
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
        200: json('The record as it now stands.', imageRecord),
        ...problems(
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
    handler: async (request) => record(await images.cancel(request.params.mediaId, identify(request))),
  });

  app.get('/images/:mediaId/preview', {
    schema: {
      operationId: 'getPreview',
      tags: ['images'],
      summary: 'Get a stand-in for a picture',
      description: 'What a page can show while the picture loads: a blurred picture in a data URL, and one colour.',
      params: imageParams,
      response: { 200: json('The stand-in.', imagePreview), ...problems('not_found', 'storage_unavailable') },
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
        ...problems('unauthorized', 'forbidden', 'not_found', 'rate_limited', 'storage_unavailable', 'shutting_down'),
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
