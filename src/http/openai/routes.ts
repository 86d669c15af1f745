import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import {
  openAiModel,
  openAiModels,
  openAiPictures,
  openAiStreamEvent,
  toOpenAiModels,
} from '../../api/openai/answers.ts';
import { openAiEdit, openAiGeneration, openAiHeaders } from '../../api/openai/requests.ts';
import { openAiTask, taskParams } from '../../api/openai/tasks.ts';
import type { CallDefaults } from '../../core/images/call-defaults.ts';
import type { Images } from '../../core/images/images.ts';
import { json } from '../openapi/responses.ts';
import { heldJsonPictures } from '../protocol/json-pictures.ts';
import { heldMultipart } from '../protocol/multipart-bodies.ts';
import { type CallDeps, createAnswerCall } from './answer-call.ts';
import { askedByEdit, askedByGeneration, digestOf, digestOfJson } from './asked-pictures.ts';
import { OpenAiError } from './errors.ts';
import { CALL_ERRORS, openAiErrors } from './responses.ts';
import { EDIT_FORM, picturesOfForm, picturesOfJson } from './uploads.ts';
import { mayComeAgain } from './waiting.ts';

interface OpenAiRoutesOptions extends CallDeps {
  readonly images: Pick<Images, 'follow' | 'models'>;
  readonly callDefaults: CallDefaults;
}

const header = (description: string) => ({ type: 'string', description });
const CALL_HEADERS = {
  'x-easel-media-id': header('The mediaIds of the pictures, with commas between.'),
  'x-easel-cost-usd': header('What they cost together.'),
  'x-easel-warnings': header('A JSON array of `{code, detail}`, percent-encoded.'),
};
const TASK_HEADERS = { ...CALL_HEADERS, Location: header('Where the task is.'), 'Retry-After': header('In seconds.') };

const pictures = {
  description:
    'The pictures; with `stream`, events, whose schema is that of one event. An event `error` reports a failure after this status.',
  headers: CALL_HEADERS,
  content: {
    'application/json': { schema: openAiPictures },
    'text/event-stream': { schema: openAiStreamEvent },
  },
};
const task = json('Accepted; the task tells what becomes of it.', openAiTask, TASK_HEADERS);

const MAX_CLOSE_LISTENERS = 30;

/** Bodies of edits in JSON, which hold pictures as data URLs: 32 MiB. */
const EDIT_JSON_BYTES = 32 * 1024 * 1024;

const WAITING =
  'Waits for the end. A call that can be recognised when it comes again (it bears `X-Stainless-Retry-Count`, as those of the official ' +
  'SDKs do, or `Idempotency-Key`) is answered 503 with `x-should-retry: true` after `OPENAI_WAIT_SECONDS`: the same call again joins it ' +
  'and pays nothing. The work goes on when the client leaves.';

/** The routes of the OpenAI dialect that make pictures, and the models. Tasks have their own file. */
export const openAiRoutes: FastifyPluginAsyncZod<OpenAiRoutesOptions> = async (app, options) => {
  const { images, callDefaults, clock } = options;
  const answerCall = createAnswerCall(options);
  const countsItself = ({ headers }: FastifyRequest) => mayComeAgain(headers);

  // What a call holds (its body, its place, a file for each picture) is given back when its answer closes, each part by itself.
  app.addHook('onRequest', (_request, reply, done) => {
    reply.raw.setMaxListeners(MAX_CLOSE_LISTENERS);
    done();
  });

  for (const isAsync of [false, true]) {
    const suffix = isAsync ? '/async' : '';
    const response = { ...(isAsync ? {} : { 200: pictures }), 202: task, ...CALL_ERRORS };
    const description = isAsync ? 'Answers at once with a task, which lasts over restarts.' : WAITING;

    app.post(`/images/generations${suffix}`, {
      config: { countsItself },
      schema: {
        operationId: isAsync ? 'startOpenAiGeneration' : 'createOpenAiGeneration',
        tags: ['openai'],
        summary: isAsync
          ? 'Make pictures without waiting, as gateways offer it'
          : 'Make pictures, as the API of OpenAI does',
        description,
        headers: openAiHeaders,
        body: openAiGeneration,
        response,
      },
      handler: async (request, reply) => {
        const digest = digestOfJson(`generations${suffix}`, request.body);
        const asked = askedByGeneration(request.body, callDefaults);
        return await answerCall(request, reply, { asked, digest, prefix: 'image_generation', isAsync });
      },
    });

    app.post(`/images/edits${suffix}`, {
      config: { countsItself, multipart: EDIT_FORM, picturesInJson: 'image_url' },
      bodyLimit: EDIT_JSON_BYTES,
      schema: {
        operationId: isAsync ? 'startOpenAiEdit' : 'createOpenAiEdit',
        tags: ['openai'],
        summary: isAsync
          ? 'Edit pictures without waiting, as gateways offer it'
          : 'Edit pictures, as the API of OpenAI does',
        description,
        headers: openAiHeaders,
        body: openAiEdit,
        response,
      },
      handler: async (request, reply) => {
        const form = heldMultipart(request);
        const route = `edits${suffix}`;
        const digest = form ? digestOf(route, form.digest) : digestOfJson(route, request.body);
        const { inputs, mask } = form ? picturesOfForm(form) : picturesOfJson(request.body, heldJsonPictures(request));
        const asked = askedByEdit(request.body, inputs, mask, callDefaults);
        return await answerCall(request, reply, { asked, digest, prefix: 'image_edit', isAsync });
      },
    });
  }

  const servedModels = () => toOpenAiModels(images.models(), clock.now());

  app.get('/models', {
    schema: {
      operationId: 'listOpenAiModels',
      tags: ['openai'],
      summary: 'List the models, as the API of OpenAI does',
      description: 'What the configured providers offer and has not been shut down.',
      response: {
        200: json('The models.', openAiModels),
        ...openAiErrors('unauthorized', 'forbidden', 'rate_limited'),
      },
    },
    handler: async () => servedModels(),
  });

  app.get('/models/:id', {
    schema: {
      operationId: 'getOpenAiModel',
      tags: ['openai'],
      summary: 'Get a model, as the API of OpenAI does',
      params: taskParams,
      response: {
        200: json('The model.', openAiModel),
        ...openAiErrors('unauthorized', 'forbidden', 'not_found', 'rate_limited'),
      },
    },
    handler: async ({ params: { id } }) => {
      const model = servedModels().data.find((one) => one.id === id);
      if (model) return model;
      const message = `there is no model ${id} here; GET /v1/models lists them`;
      throw new OpenAiError(404, { message, type: 'invalid_request_error', code: 'model_not_found', param: 'model' });
    },
  });
};
