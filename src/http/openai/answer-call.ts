import type { FastifyReply, FastifyRequest } from 'fastify';
import { toTask } from '../../api/openai/tasks.ts';
import { type Image, isFinished } from '../../core/domain/image.ts';
import type { ToRecord } from '../../core/domain/record.ts';
import type { Caller } from '../../core/domain/request.ts';
import type { Calls, OpenCall } from '../../core/images/calls.ts';
import type { Images } from '../../core/images/images.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Identify } from '../access/auth.ts';
import type { RateLimiter } from '../access/rate-limit.ts';
import { takeJsonPictures } from '../protocol/json-pictures.ts';
import { takeMultipart } from '../protocol/multipart-bodies.ts';
import { readPreferences } from '../protocol/prefer.ts';
import { noteMediaId, ProblemError } from '../protocol/problem.ts';
import type { AskedPictures } from './asked-pictures.ts';
import { sendParts } from './base64-json.ts';
import { answerParts, describeImages } from './pictures.ts';
import { type EventPrefix, streamPicture } from './streaming.ts';
import { comeBack, isRecognisable, leftRunning, mayComeAgain, retryCountOf } from './waiting.ts';

export interface CallDeps {
  readonly calls: Calls;
  readonly images: Pick<Images, 'follow'>;
  readonly pictures: PublishedPictures;
  readonly toRecord: ToRecord;
  readonly identify: Identify;
  readonly limiter: Pick<RateLimiter, 'count'>;
  /** True while the process is overloaded. */
  readonly isOverloaded: () => boolean;
  readonly clock: Clock;
  /** Where clients reach the service, without a slash at its end; null to write paths only. */
  readonly publicUrl: string | null;
  /** Longest wait of a call that comes back by itself, in seconds. */
  readonly openAiWaitSeconds: number;
  /** Longest wait of any other call, in seconds. */
  readonly generationTimeoutSeconds: number;
}

/** A call as its route read it. */
export interface RoutedCall {
  readonly asked: AskedPictures;
  /** Of what was sent to the route. */
  readonly digest: string;
  readonly prefix: EventPrefix;
  /** Whether the route itself answers without waiting. */
  readonly isAsync: boolean;
}

/** `Retry-After` of a task: a model takes some 10 to 60 s. */
export const POLL_SECONDS = 5;

/** Creates the function that submits a call of the dialect, waits for its pictures, and answers. */
export function createAnswerCall(deps: CallDeps) {
  const { calls, identify } = deps;

  return async (request: FastifyRequest, reply: FastifyReply, routed: RoutedCall): Promise<FastifyReply> => {
    const { asked } = routed;
    const prefersAsync = readPreferences(String(request.headers.prefer ?? '')).respondAsync;
    const isAsync = routed.isAsync || prefersAsync;
    if (isAsync && asked.stream) throw noStreamOfTask();
    const caller = identify(request);
    const clientGone = new AbortController();
    if (reply.raw.destroyed) clientGone.abort();
    else reply.raw.once('close', () => clientGone.abort());

    const call = await submit(request, reply, routed, caller);
    const [first, ...more] = call.images;
    if (first === undefined) throw deleted();
    noteMediaId(reply, first.mediaId);
    describeImages(reply, call.images, asked.warnings);
    if (isAsync) {
      calls.noteDelivered(call);
      call[Symbol.dispose]();
      if (prefersAsync) reply.header('preference-applied', 'respond-async');
      return sendTask(reply, [first, ...more]);
    }
    leaveAtEnd(request, reply, call, caller);
    if (asked.stream) {
      const { prefix } = routed;
      const partials = (asked.create.partials ?? 0) > 0;
      const { started } = call;
      const streamed = { call, image: first, caller, prefix, partials, started, clientGone: clientGone.signal };
      return streamPicture(reply, streamed, deps);
    }
    const images = await waitForEnd(request, call, clientGone.signal);
    const { responseFormat, warnings } = asked;
    const parts = await answerParts(reply, { images, responseFormat, warnings, started: call.started }, deps);
    return sendParts(reply, parts);
  };

  /** Submits the call. One that joins or collects an earlier one takes no token of the rate limit. */
  async function submit(
    request: FastifyRequest,
    reply: FastifyReply,
    { asked, digest }: RoutedCall,
    caller: Caller,
  ): Promise<OpenCall> {
    const { headers } = request;
    const idempotencyKey = headers['idempotency-key'] as string | undefined;
    const identity = { digest, idempotencyKey: idempotencyKey ?? null, retryCount: retryCountOf(headers) };
    // Else the limiter has counted it already, before its body was read.
    if (mayComeAgain(headers) && !(await calls.isKnown(caller, identity))) await deps.limiter.count(request, reply);
    // Its bytes are stored, or refused, once the call is submitted.
    using _form = takeMultipart(request);
    using _pictures = takeJsonPictures(request);
    const options = { overloaded: deps.isOverloaded(), requestId: request.id };
    return await calls.submit(asked.create, asked.count, caller, identity, options);
  }

  /** The images of the call, all of which have ended. Raises `OpenAiError` where the wait is over before. */
  async function waitForEnd(
    request: FastifyRequest,
    call: OpenCall,
    clientGone: AbortSignal,
  ): Promise<readonly Image[]> {
    const comesAgain = isRecognisable(request.headers);
    const seconds = comesAgain ? deps.openAiWaitSeconds : deps.generationTimeoutSeconds;
    const { images } = await calls.wait(call, seconds * 1000, clientGone);
    const [first] = images;
    if (first === undefined) throw deleted();
    if (images.every(({ status }) => isFinished(status))) return images;
    // Before the answer is sent: the client may be back before its end is seen here. One that has left says itself whether to cancel.
    if (!clientGone.aborted) call[Symbol.dispose]();
    throw comesAgain ? comeBack(retryCountOf(request.headers) ?? 0, seconds) : leftRunning(first.mediaId);
  }

  /** Leaves the call when the answer or the connection ends. A client may ask that its images are cancelled where it has left before. */
  function leaveAtEnd(request: FastifyRequest, reply: FastifyReply, call: OpenCall, caller: Caller): void {
    const mayCancel = request.headers['x-easel-cancel-on-close'] === 'true';
    const leave = async () => {
      try {
        if (mayCancel && !reply.raw.writableFinished) await calls.cancelUnlessAwaited(call, caller);
      } catch (error) {
        request.log.warn(
          { requestId: request.id, err: error },
          'the pictures of a client that left were not cancelled',
        );
      } finally {
        call[Symbol.dispose]();
      }
    };
    if (reply.raw.destroyed) void leave();
    else reply.raw.once('close', () => void leave());
  }

  function sendTask(reply: FastifyReply, images: readonly [Image, ...Image[]]): FastifyReply {
    const task = toTask(images);
    return reply
      .code(202)
      .header('location', `${deps.publicUrl ?? ''}/v1/images/tasks/${task.id}`)
      .header('retry-after', String(POLL_SECONDS))
      .send(task);
  }
}

function noStreamOfTask(): ProblemError {
  const errors = [{ path: 'stream', message: 'must not be true where the answer is not waited for' }];
  return new ProblemError({ code: 'invalid_request', detail: 'a task cannot be streamed', errors });
}

function deleted(): ProblemError {
  return new ProblemError({ code: 'not_found', detail: 'the picture was deleted while it was being made' });
}
