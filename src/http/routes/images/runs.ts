import type { FastifyReply } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { createImage, createImageHeaders, retryBody, retryHeaders } from '../../../api/create-image.ts';
import { imageParams } from '../../../api/fields.ts';
import { imageRecord } from '../../../api/image-record.ts';
import { failureProblem, replayedFailure } from '../../../api/problem.ts';
import type { ProblemCode } from '../../../api/problem-kinds.ts';
import { retryCost, toRetryCost } from '../../../api/retry-cost.ts';
import { isFinished, isSameImage } from '../../../core/domain/image.ts';
import type { ToRecord } from '../../../core/domain/record.ts';
import type { Submission } from '../../../core/images/admission.ts';
import type { Images } from '../../../core/images/images.ts';
import type { Identify } from '../../access/auth.ts';
import { BODY_PROBLEMS, json, problems } from '../../openapi/responses.ts';
import { appliedPreferences, readPreferences, secondsToWait } from '../../protocol/prefer.ts';
import { noteMediaId, ProblemError, sendProblem } from '../../protocol/problem.ts';
import { RECORD_TAG, setRecordTag } from '../../protocol/record-tag.ts';
import { requestWithFiles, withFiles } from './uploads.ts';

interface RunRoutesOptions {
  readonly images: Images;
  readonly identify: Identify;
  readonly toRecord: ToRecord;
  /** Where clients reach the service, without a slash at its end; null to write paths only. */
  readonly publicUrl: string | null;
  /** Longest that a request waits for an image to finish. */
  readonly syncWaitSeconds: number;
  /** True while the process is overloaded. */
  readonly isOverloaded: () => boolean;
}

/** `Retry-After` of a 202: a model takes some 10 to 60 s. */
const POLL_SECONDS = 5;

const retryAfter = { type: 'integer', description: 'Seconds after which to ask again.' };
const location = { type: 'string', description: 'Where the record is.' };
const applied = { type: 'string', description: 'Which preferences made a difference.' };

const doneNow = json('Done now.', imageRecord, {
  ETag: RECORD_TAG,
  Location: location,
  'Preference-Applied': applied,
});
const atWork = json('Accepted, and still at work.', imageRecord, {
  ETag: RECORD_TAG,
  Location: location,
  'Retry-After': retryAfter,
  'Preference-Applied': applied,
});

/** The problems that every request for a run may end with. */
const RUN_PROBLEMS = [
  ...BODY_PROBLEMS,
  'unauthorized',
  'forbidden',
  'unsupported_parameter',
  'prompt_rejected',
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
] as const satisfies readonly ProblemCode[];

/** `POST /images` and `POST /images/:mediaId/retry`: the routes that start a run, and wait for its end. */
export const runRoutes: FastifyPluginAsyncZod<RunRoutesOptions> = async (app, options) => {
  const { images, identify, toRecord, publicUrl, syncWaitSeconds, isOverloaded } = options;

  app.post('/images', {
    config: { multipart: requestWithFiles(app) },
    schema: {
      operationId: 'createImage',
      tags: ['images'],
      summary: 'Make a picture',
      description:
        'Waits for the end, up to `SYNC_WAIT_SECONDS` unless `Prefer` says otherwise; then the work goes on and ' +
        '`GET /images/{mediaId}` tells how far it is. The work also goes on when the client leaves. The same ' +
        '`mediaId` with the same request never pays again by itself, however often it is sent: after a failure that is known not to ' +
        'be billed, and after a cancel, it runs again; after any other failure it gets the same problem again, and only ' +
        '`POST /images/{mediaId}/retry` calls a provider once more. Labels, metadata, `ttlSeconds` and `webhookUrl` do not make the ' +
        'request another one, and what a picture has of them stays: `PATCH /images/{mediaId}` changes them. Pictures to start from that ' +
        'are neither here nor at a public address come with the request, as `multipart/form-data`.',
      headers: createImageHeaders,
      body: createImage,
      response: {
        200: json(
          'The same request was made before, or the picture was cancelled while this request waited.',
          imageRecord,
          { ETag: RECORD_TAG, Location: location },
        ),
        201: doneNow,
        202: atWork,
        ...problems(...RUN_PROBLEMS, 'not_found', 'media_id_conflict', 'idempotency_key_reused'),
      },
    },
    handler: async (request, reply) => {
      const { 'idempotency-key': idempotencyKey, prefer } = request.headers;
      return await answerWithRun(reply, prefer, () =>
        withFiles(request, (create) =>
          images.submit(create, identify(request), idempotencyKey ?? null, {
            overloaded: isOverloaded(),
            requestId: request.id,
          }),
        ),
      );
    },
  });

  app.post('/images/:mediaId/retry', {
    schema: {
      operationId: 'retryImage',
      tags: ['images'],
      summary: 'Run a failed picture again',
      description:
        'Runs a picture that failed or was cancelled again, although that may cost again: the call before may have been ' +
        'billed. A sound original that is kept is finished without a call. Answers and waits as `POST /images` does. Takes ' +
        'no body. A picture that is at work or has succeeded is refused as `not_retryable`.',
      params: imageParams,
      headers: retryHeaders,
      body: retryBody,
      response: {
        200: json('Cancelled while this request waited.', imageRecord, { ETag: RECORD_TAG, Location: location }),
        201: doneNow,
        202: atWork,
        ...problems(...RUN_PROBLEMS, 'not_found', 'not_retryable'),
      },
    },
    handler: async (request, reply) =>
      await answerWithRun(reply, request.headers.prefer, () =>
        images.retry(request.params.mediaId, identify(request), { overloaded: isOverloaded(), requestId: request.id }),
      ),
  });

  app.get('/images/:mediaId/retry', {
    schema: {
      operationId: 'estimateRetry',
      tags: ['images'],
      summary: 'See what running a picture again would cost',
      description:
        'What `POST /images/{mediaId}/retry` would cost now, and whether the picture may have been paid for already. Calls no provider ' +
        'and changes nothing. It is refused as that is, but not for want of room, budget or a working provider.',
      params: imageParams,
      response: {
        200: json('What it would cost.', retryCost),
        ...problems(
          'invalid_request',
          'unauthorized',
          'forbidden',
          'not_found',
          'not_retryable',
          'unsupported_parameter',
          'rate_limited',
          'storage_unavailable',
        ),
      },
    },
    handler: async (request, reply) => {
      const estimate = await images.retryCost(request.params.mediaId, identify(request));
      return reply.header('cache-control', 'no-store').send(toRetryCost(estimate));
    },
  });

  /** Waits for the end of the run that `submit` starts or finds, for as long as the client prefers, and answers. */
  async function answerWithRun(
    reply: FastifyReply,
    prefer: string | undefined,
    submit: () => Promise<Submission>,
  ): Promise<FastifyReply> {
    const preferences = readPreferences(prefer);
    const seconds = secondsToWait(preferences, syncWaitSeconds);

    // A disconnect ends the wait, never the work.
    const clientGone = new AbortController();
    reply.raw.once('close', () => clientGone.abort());

    const { image: found, started, replayed } = await submit();
    const { mediaId } = found;
    noteMediaId(reply, mediaId);
    const image =
      seconds === 0 || isFinished(found.status)
        ? found
        : await images.waitUntilFinished(mediaId, seconds * 1000, clientGone.signal);
    // Another image that has the mediaId by now may be another key's.
    if (image === null || !isSameImage(found, image)) {
      throw new ProblemError({
        code: 'not_found',
        detail: 'the picture was deleted while it was being made',
        mediaId,
      });
    }

    const finished = isFinished(image.status);
    const preferenceApplied = appliedPreferences(preferences, seconds, finished);
    if (preferenceApplied !== null) reply.header('preference-applied', preferenceApplied);
    if (image.status === 'failed') {
      return sendProblem(reply, replayed ? replayedFailure(image) : failureProblem(image));
    }

    setRecordTag(reply, image).header('location', `${publicUrl ?? ''}/images/${mediaId}`);
    if (!finished)
      return reply
        .code(202)
        .header('retry-after', POLL_SECONDS)
        .send(await toRecord(image));
    return reply.code(started && image.status === 'succeeded' ? 201 : 200).send(await toRecord(image));
  }
};
