import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errorProblem, type ProblemSpec, toProblem } from '../../api/problem.ts';
import type { ProblemCode } from '../../api/problem-kinds.ts';
import { ImageError } from '../../core/domain/errors.ts';
import { UnreadableFileError } from '../../core/images/published-file.ts';
import type { MethodsOf } from './allowed-methods.ts';
import { createDrainingBody, hasUnreadBody } from './drain.ts';

/** The only error that HTTP code raises itself; `handleErrors` answers it with its problem. The core raises `ImageError`. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly spec: ProblemSpec;

  constructor(spec: ProblemSpec) {
    super(spec.detail);
    this.spec = spec;
  }
}

/** What requests are about and were answered with, for their log lines. */
const notes = new WeakMap<FastifyReply, { readonly mediaId: string | null; readonly code: ProblemCode | null }>();
const NO_NOTE = { mediaId: null, code: null };

/** The mediaId that was made or found for the request, and the code of the problem it was answered with; null where there is none. */
export function noteOf(reply: FastifyReply): { readonly mediaId: string | null; readonly code: ProblemCode | null } {
  return notes.get(reply) ?? NO_NOTE;
}

/** Notes which image the request is about, where its path does not say it. */
export function noteMediaId(reply: FastifyReply, mediaId: string): void {
  notes.set(reply, { ...noteOf(reply), mediaId });
}

/** Notes the problem that the request is answered with. */
export function noteProblem(reply: FastifyReply, { code, mediaId }: Pick<ProblemSpec, 'code' | 'mediaId'>): void {
  notes.set(reply, { mediaId: mediaId ?? noteOf(reply).mediaId, code });
}

/** Answers with a problem. A request body that is still arriving is drained, so that the client can read the answer. */
export function sendProblem(reply: FastifyReply, spec: ProblemSpec): FastifyReply {
  const { request } = reply;
  noteProblem(reply, spec);
  const body = toProblem(spec, `${reply.server.publicUrl ?? ''}${pathOf(request)}`, request.id);
  // The route may have set these for its file.
  reply.removeHeader('etag').removeHeader('accept-ranges');
  reply.code(body.status).type('application/problem+json').header('cache-control', 'no-store');
  if (body.retryAfter !== undefined) reply.header('retry-after', body.retryAfter);

  return sendDraining(reply, JSON.stringify(body));
}

/** Sends the text. A request body that is still arriving is drained, so that the client can read the answer. */
export function sendDraining(reply: FastifyReply, text: string): FastifyReply {
  const { raw } = reply.request;
  const bytes = Buffer.from(text);
  if (!hasUnreadBody(raw)) return reply.send(bytes);
  reply.header('connection', 'close').header('content-length', bytes.length);
  return reply.send(createDrainingBody(bytes, raw));
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Where clients reach the service, without a slash at its end; null where only paths are written. Set by `handleErrors`. */
    publicUrl?: string | null;
  }
}

/** Answers every error of `app` with a problem, whose `instance` is below `publicUrl`. */
export function handleErrors(app: FastifyInstance, publicUrl: string | null): void {
  app.decorate('publicUrl', publicUrl);
  app.setErrorHandler(handleError);
}

/**
 * Answers requests to unknown routes with a problem, after the hooks of `scope` so far: a method that a known path does not take with
 * 405 and `Allow` (RFC 9110, 15.5.6), before the body is read. OPTIONS is such a method unless CORS answers it.
 */
export function handleUnknownRoutes(scope: FastifyInstance, methodsOf: MethodsOf): void {
  scope.addHook('onRequest', (request, reply, done) => {
    const path = pathOf(request);
    const methods = request.is404 ? methodsOf(path).join(', ') : '';
    if (methods === '') return done();
    reply.header('allow', methods);
    const detail = `${path} takes ${methods}, not ${request.method}`;
    done(new ProblemError({ code: 'invalid_request', status: 405, detail }));
  });
  scope.setNotFoundHandler((request, reply) =>
    sendProblem(reply, { code: 'not_found', detail: `there is no ${request.method} ${pathOf(request)}` }),
  );
}

/** Answers with the problem for `error`. An unexpected error is logged, and its text is not sent. */
export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const spec = problemFor(error, request);
  // RFC 9110, 15.5.17: a 416 gives the length of the file.
  if (spec.status === 416) reply.header('content-range', contentRangeOf(error));
  return sendProblem(reply, spec);
}

/** The request's path without its query, which may hold secrets. */
export function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}

/** The problem for `error`. An unexpected error is logged, and its text is not in the problem; so is why a file cannot be read. */
export function problemFor(error: unknown, request: FastifyRequest): ProblemSpec {
  const spec = expectedProblem(error, request);
  if (spec !== null) return spec;
  if (error instanceof UnreadableFileError) {
    request.log.error({ requestId: request.id, err: error }, 'a published file cannot be read');
    return { code: 'storage_unavailable', detail: error.message };
  }
  request.log.error({ requestId: request.id, err: error }, 'unexpected error');
  return { code: 'internal_error', detail: 'this is a fault of the service; its log has more under the requestId' };
}

function expectedProblem(error: unknown, request: FastifyRequest): ProblemSpec | null {
  if (error instanceof ProblemError) return error.spec;
  if (error instanceof ImageError) return errorProblem(error);
  const { code, statusCode } = error instanceof Error ? (error as Partial<FastifyError>) : {};
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return { code: 'payload_too_large', detail: `the body must not be larger than ${mebibytes(request)} MiB` };
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
  return null;
}

/** The limit of the route's body. */
function mebibytes({ routeOptions }: FastifyRequest): number {
  return routeOptions.bodyLimit / 1024 ** 2;
}

/** `Content-Range` from the error that @fastify/send raises for a range that cannot be satisfied. */
function contentRangeOf(error: unknown): string {
  const { headers } = error as { headers?: Readonly<Record<string, string>> };
  return headers?.['Content-Range'] ?? 'bytes */*';
}
