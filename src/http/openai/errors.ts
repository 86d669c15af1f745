import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type OpenAiErrorObject, toOpenAiError } from '../../api/openai/errors.ts';
import type { ProblemSpec } from '../../api/problem.ts';
import { isProblemCode } from '../../api/problem-kinds.ts';
import { noteProblem, pathOf, problemFor, sendDraining } from '../protocol/problem.ts';

/** Errors whose cause another try does not end: SDKs that obey `x-should-retry` do not retry them. */
const FINAL_CODES: ReadonlySet<string> = new Set(['budget_exhausted', 'prompt_rejected']);

/** An error that is sent as it is: one that has no problem, or one that clients must not retry. */
export class OpenAiError extends Error {
  override readonly name = 'OpenAiError';
  readonly status: number;
  readonly error: OpenAiErrorObject;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, error: OpenAiErrorObject, headers: Readonly<Record<string, string>> = {}) {
    super(error.message);
    this.status = status;
    this.error = error;
    this.headers = headers;
  }
}

/** The failure of a picture: no retry makes another one of it by itself. */
export function finalError(problem: ProblemSpec): OpenAiError {
  const { status, error } = toOpenAiError(problem);
  return new OpenAiError(status, error, { 'x-should-retry': 'false' });
}

/** Answers the errors of `scope`, those of hooks before its routes too, and requests for unknown routes below it, in OpenAI's shape. */
export function handleOpenAiErrors(scope: FastifyInstance): void {
  scope.setErrorHandler(handleOpenAiError);
  scope.setNotFoundHandler((request, reply) =>
    sendOpenAiProblem(reply, { code: 'not_found', detail: `there is no ${request.method} ${pathOf(request)}` }),
  );
}

/** Answers with the error in OpenAI's shape. */
export function handleOpenAiError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return error instanceof OpenAiError ? sendError(reply, error) : sendOpenAiProblem(reply, problemFor(error, request));
}

function sendOpenAiProblem(reply: FastifyReply, problem: ProblemSpec): FastifyReply {
  const { status, error, retryAfter } = toOpenAiError(problem);
  noteProblem(reply, problem);
  if (retryAfter !== null) reply.header('retry-after', String(retryAfter));
  if (FINAL_CODES.has(problem.code)) reply.header('x-should-retry', 'false');
  return sendBody(reply, status, error);
}

function sendError(reply: FastifyReply, { status, error, headers }: OpenAiError): FastifyReply {
  const code = error.code ?? '';
  if (isProblemCode(code)) noteProblem(reply, { code });
  return sendBody(reply.headers(headers), status, error);
}

function sendBody(reply: FastifyReply, status: number, error: OpenAiErrorObject): FastifyReply {
  reply.code(status).type('application/json; charset=utf-8').header('cache-control', 'no-store');
  return sendDraining(reply, JSON.stringify({ error }));
}
