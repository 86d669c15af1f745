import type { FastifyReply } from 'fastify';
import { toEventFields, toUsage } from '../../api/openai/answers.ts';
import { toOpenAiError } from '../../api/openai/errors.ts';
import { type Image, isFinished } from '../../core/domain/image.ts';
import type { Caller } from '../../core/domain/request.ts';
import type { Calls, PictureCall } from '../../core/images/calls.ts';
import type { Images } from '../../core/images/images.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { type Frame, sendFrames } from '../protocol/event-stream.ts';
import { problemFor } from '../protocol/problem.ts';
import { writeParts } from './base64-json.ts';
import { OpenAiError } from './errors.ts';
import { createOpenMaster, endWithout } from './pictures.ts';

/** How the events of a route begin. */
export type EventPrefix = 'image_generation' | 'image_edit';

interface StreamDeps {
  readonly images: Pick<Images, 'follow'>;
  readonly calls: Pick<Calls, 'wait'>;
  readonly pictures: Pick<PublishedPictures, 'open'>;
  readonly clock: Clock;
}

/** A picture to stream. */
interface StreamedCall {
  readonly call: PictureCall;
  readonly image: Image;
  readonly caller: Caller;
  readonly prefix: EventPrefix;
  /** Whether partial pictures are wanted. */
  readonly partials: boolean;
  /** False where the call found an image of an earlier one. */
  readonly started: boolean;
  readonly clientGone: AbortSignal;
}

/** Longest wait of a timer, in milliseconds: the comments keep the connection open, so nothing else ends the wait. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** Answers with the events of one picture: its partial ones, then the whole one, or `error`. */
export function streamPicture(reply: FastifyReply, streamed: StreamedCall, deps: StreamDeps): FastifyReply {
  return sendFrames(reply, ': the picture is being made\n\n', framesOf(reply, streamed, deps), deps.clock);
}

async function* framesOf(reply: FastifyReply, streamed: StreamedCall, deps: StreamDeps): AsyncGenerator<Frame> {
  try {
    if (streamed.partials && !isFinished(streamed.image.status)) yield* partialFrames(streamed, deps);
    // Read again in any case: the stream of events has records as callers see them.
    const { images } = await deps.calls.wait(streamed.call, LONGEST_WAIT_MS, streamed.clientGone);
    yield await lastFrame(reply, images[0] ?? null, streamed, deps);
  } catch (error) {
    yield errorFrame(error, reply);
  }
}

async function* partialFrames(streamed: StreamedCall, { images, clock }: StreamDeps): AsyncGenerator<string> {
  const { image, caller, prefix, clientGone } = streamed;
  const events = await images.follow(image.mediaId, caller, null, clientGone);
  if (events === null) return;
  for await (const event of events) {
    if (event.type !== 'partial') continue;
    const { index, base64 } = event.data;
    const type = `${prefix}.partial_image`;
    const data = { type, ...toEventFields(image, clock.now()), partial_image_index: index, b64_json: base64 };
    yield frame(type, JSON.stringify(data));
  }
}

async function lastFrame(
  reply: FastifyReply,
  image: Image | null,
  { prefix, started }: StreamedCall,
  { pictures, clock }: StreamDeps,
): Promise<Frame> {
  if (image === null) throw notThere('the picture was deleted while it was being made', 'not_found');
  if (!isFinished(image.status)) {
    throw notThere(
      `the service is stopping; GET /v1/images/tasks/${image.mediaId} has the picture later`,
      'shutting_down',
    );
  }
  if (image.status !== 'succeeded' || image.master === null) throw endWithout([image], started);
  const file = await createOpenMaster(reply, pictures)(image.master);
  const type = `${prefix}.completed`;
  const rest = JSON.stringify({ type, ...toEventFields(image, clock.now()), usage: toUsage([image]) });
  return writeParts([`event: ${type}\ndata: {"b64_json":"`, file, `",${rest.slice(1)}\n\n`]);
}

function notThere(message: string, code: string): OpenAiError {
  return new OpenAiError(503, { message, type: 'server_error', code, param: null });
}

function errorFrame(error: unknown, { request }: FastifyReply): string {
  const object = error instanceof OpenAiError ? error.error : toOpenAiError(problemFor(error, request)).error;
  return frame('error', JSON.stringify({ type: 'error', error: object }));
}

function frame(type: string, data: string): string {
  return `event: ${type}\ndata: ${data}\n\n`;
}
