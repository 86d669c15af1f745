import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ImageError, type ImageErrorCode } from '../core/domain/errors.ts';
import { answerAndDrain, hasUnreadBody } from './drain.ts';

/** Every code that an answer can bear. */
export type ProblemCode =
  | ImageErrorCode
  | 'unauthorized'
  | 'forbidden'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'rate_limited'
  | 'internal_error';

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Seconds, for those that always come with a Retry-After and whose error names none. */
  readonly retryAfter?: number;
}

/** The closed list. A code without an entry does not compile. */
export const PROBLEMS: Readonly<Record<ProblemCode, ProblemKind>> = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  unauthorized: { status: 401, title: 'A known key is needed' },
  forbidden: { status: 403, title: 'The key, or the signed URL, does not allow this' },
  not_found: { status: 404, title: 'Not found' },
  media_id_conflict: { status: 409, title: 'The mediaId is in use with another request' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body is of a type that is not read here' },
  unsupported_parameter: { status: 422, title: 'The model cannot do what was asked' },
  prompt_rejected: { status: 422, title: 'The provider refused the prompt' },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key was used with another request' },
  rate_limited: { status: 429, title: 'Too many requests', retryAfter: 60 },
  budget_exhausted: { status: 429, title: 'The budget is spent', retryAfter: 3600 },
  queue_full: { status: 429, title: 'The queue is full', retryAfter: 10 },
  internal_error: { status: 500, title: 'Something went wrong inside the service' },
  provider_failed: { status: 502, title: 'The provider brought no picture' },
  invalid_image: { status: 502, title: 'The picture did not pass its checks' },
  provider_unavailable: { status: 503, title: 'No provider can be used', retryAfter: 30 },
  storage_unavailable: { status: 503, title: 'Pictures cannot be stored', retryAfter: 10 },
  shutting_down: { status: 503, title: 'The service is stopping', retryAfter: 5 },
  provider_timeout: { status: 504, title: 'The provider did not answer in time' },
  storage_full: { status: 507, title: 'There is no room for pictures' },
};

/** An answer that is no success, as RFC 9457 shapes it. */
export const problem = z
  .strictObject({
    type: z.string().meta({ description: 'Names the kind of problem.', examples: ['urn:easel:problem:queue_full'] }),
    title: z.string().meta({ description: 'The kind in words, always the same.' }),
    status: z.int().meta({ description: 'The HTTP status.' }),
    detail: z.string().meta({ description: 'What is wrong here, and what to do about it.' }),
    instance: z.string().meta({ description: 'The path that was asked for.' }),
    code: z.string().meta({ description: `One of: ${Object.keys(PROBLEMS).join(', ')}.` }),
    requestId: z.string().meta({ description: 'Finds this request in the log.' }),
    errors: z
      .array(z.strictObject({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'Which parts of the request are wrong, and why.' }),
    retryAfter: z.int().optional().meta({ description: 'Seconds, as in the Retry-After header.' }),
    mediaId: z.string().optional().meta({ description: 'The picture this is about; its record is kept.' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });

export type Problem = z.output<typeof problem>;

/** What went wrong, before it is known where. */
export interface Fault {
  readonly code: ProblemCode;
  readonly detail: string;
  /** Where HTTP has a status of its own for a case of this code, such as 412 or 431. */
  readonly status?: number;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
  /** Seconds. */
  readonly retryAfter?: number | null;
  readonly mediaId?: string | null;
}

/** Raised by the doors, to be answered with its fault. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.detail);
    this.fault = fault;
  }
}

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}

/** The body of the answer to `fault`. `instance` is a path without its query, which may hold secrets. */
export function describeProblem(fault: Fault, instance: string, requestId: string): Problem {
  const kind = PROBLEMS[fault.code];
  const retryAfter = fault.retryAfter ?? kind.retryAfter;
  return {
    type: `urn:easel:problem:${fault.code}`,
    title: kind.title,
    status: fault.status ?? kind.status,
    detail: fault.detail,
    instance,
    code: fault.code,
    requestId,
    ...(fault.errors !== undefined && fault.errors.length > 0 && { errors: [...fault.errors] }),
    ...(retryAfter !== undefined && { retryAfter: Math.max(1, Math.ceil(retryAfter)) }),
    ...(fault.mediaId != null && { mediaId: fault.mediaId }),
  };
}

/** Answers with `fault`. A body that was not read is drained, so that the client gets to read the answer. */
export function answerProblem(reply: FastifyReply, fault: Fault): FastifyReply {
  const { request } = reply;
  const body = describeProblem(fault, pathOf(request), request.id);
  // What the route has said about its file does not hold for this answer.
  reply.removeHeader('etag').removeHeader('accept-ranges');
  reply.code(body.status).type('application/problem+json').header('cache-control', 'no-store');
  if (body.retryAfter !== undefined) reply.header('retry-after', body.retryAfter);

  const bytes = Buffer.from(JSON.stringify(body));
  if (!hasUnreadBody(request.raw)) return reply.send(bytes);
  reply.header('connection', 'close').header('content-length', bytes.length);
  return reply.send(answerAndDrain(bytes, request.raw));
}

/** Has every error of `app` answered as a problem. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler(answerError);
}

/** Has every unknown route answered as a problem, after the hooks of `scope`. */
export function answerUnknownRoutes(scope: FastifyInstance): void {
  scope.setNotFoundHandler((request, reply) =>
    answerProblem(reply, { code: 'not_found', detail: `there is no ${request.method} ${pathOf(request)}` }),
  );
}

/** Answers with the problem that `error` stands for. An error nobody foresaw is logged, and its text kept back. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const fault = faultOf(error);
  if (fault.code === 'internal_error') request.log.error({ requestId: request.id, err: error }, 'unexpected error');
  // RFC 9110, 15.5.17: a 416 tells the length of the file.
  if (fault.status === 416) reply.header('content-range', contentRangeOf(error));
  return answerProblem(reply, fault);
}

/** Path of the request without its query. */
export function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}

function faultOf(error: unknown): Fault {
  if (error instanceof ProblemError) return error.fault;
  if (error instanceof ImageError) {
    return {
      code: error.code,
      detail: error.message,
      errors: error.paths,
      retryAfter: error.retryAfterSeconds,
      mediaId: error.mediaId,
    };
  }
  const { code, statusCode } = error instanceof Error ? (error as Partial<FastifyError>) : {};
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return { code: 'payload_too_large', detail: 'the body must not be larger than 1 MiB' };
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return { code: 'unsupported_media_type', detail: 'send the body as JSON, with `Content-Type: application/json`' };
    case 'FST_ERR_BAD_URL':
      return { code: 'invalid_request', detail: 'the path is not a valid URL: a percent sign has to begin an escape' };
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return { code: 'not_found', detail: 'there is nothing under a path as long as this' };
  }
  switch (statusCode) {
    case 404:
      return { code: 'not_found', detail: 'there is no such thing here' };
    case 416:
      return { code: 'invalid_request', status: 416, detail: 'the file has no bytes in the range that was asked for' };
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return { code: 'invalid_request', detail: 'the request could not be read as HTTP' };
  }
  return { code: 'internal_error', detail: 'this is a fault of the service; its log has more under the requestId' };
}

/** `Content-Range` as @fastify/send puts it on the error of a range that cannot be satisfied. */
function contentRangeOf(error: unknown): string {
  const { headers } = error as { headers?: Readonly<Record<string, string>> };
  return headers?.['Content-Range'] ?? 'bytes */*';
}
