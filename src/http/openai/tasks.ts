import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { ResponseFormat } from '../../api/openai/requests.ts';
import { openAiTask, taskParams, taskQuery, toTask } from '../../api/openai/tasks.ts';
import { type Image, isFinished } from '../../core/domain/image.ts';
import type { ToRecord } from '../../core/domain/record.ts';
import type { Calls } from '../../core/images/calls.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';
import type { Identify } from '../access/auth.ts';
import { json } from '../openapi/responses.ts';
import { ProblemError } from '../protocol/problem.ts';
import { POLL_SECONDS } from './answer-call.ts';
import { sendParts } from './base64-json.ts';
import { OpenAiError } from './errors.ts';
import { answerParts, describeImages } from './pictures.ts';
import { openAiErrors } from './responses.ts';

interface TaskRoutesOptions {
  readonly calls: Pick<Calls, 'find'>;
  readonly pictures: PublishedPictures;
  readonly toRecord: ToRecord;
  readonly identify: Identify;
}

/** `GET /v1/images/tasks/:id`. */
export const taskRoutes: FastifyPluginAsyncZod<TaskRoutesOptions> = async (app, deps) => {
  app.get('/images/tasks/:id', {
    schema: {
      operationId: 'getOpenAiTask',
      tags: ['openai'],
      summary: 'Get a task',
      description: 'The id is the mediaId of its first picture; pictures of `POST /images` are tasks too.',
      params: taskParams,
      querystring: taskQuery,
      response: {
        200: json('The task as it stands.', openAiTask),
        ...openAiErrors(
          'invalid_request',
          'unauthorized',
          'forbidden',
          'not_found',
          'rate_limited',
          'storage_unavailable',
        ),
      },
    },
    handler: async (request, reply) => {
      const { images } = await deps.calls.find(request.params.id, deps.identify(request));
      const [first, ...more] = images;
      if (first === undefined) throw new ProblemError({ code: 'not_found', detail: 'the pictures were deleted' });
      const task = toTask([first, ...more]);
      reply.header('cache-control', 'no-store');
      if (!images.every(({ status }) => isFinished(status))) {
        describeImages(reply, images);
        return reply.header('retry-after', String(POLL_SECONDS)).send(task);
      }
      const parts = await resultParts(images, request.query.response_format ?? 'url');
      if ('error' in parts) return reply.send({ ...task, error: parts.error });
      return sendParts(reply, [`${JSON.stringify(task).slice(0, -1)},"result":`, ...parts, '}']);

      async function resultParts(ended: readonly Image[], responseFormat: ResponseFormat) {
        try {
          return await answerParts(reply, { images: ended, responseFormat, warnings: [], started: true }, deps);
        } catch (error) {
          if (error instanceof OpenAiError) return { error: error.error };
          throw error;
        }
      }
    },
  });
};
