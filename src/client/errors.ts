/** What the client raises. */

import { isProblemCode, PROBLEMS, type ProblemCode } from '../api/problem-kinds.ts';
import type { ImageRecord, Problem } from './shapes.ts';

/**
 * What went wrong: a code of the service's closed list, or one of the client's own. `cancelled`: the picture that was waited for was
 * cancelled. `unreachable`: no answer came, or it broke off. `unexpected_answer`: one came that is not the service's, such as a proxy's
 * page.
 */
export type EaselErrorCode = ProblemCode | 'cancelled' | 'unreachable' | 'unexpected_answer';

interface EaselErrorFields {
  readonly code: EaselErrorCode;
  readonly message: string;
  readonly status?: number | null | undefined;
  readonly errors?: Problem['errors'];
  readonly mediaId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly retryAfter?: number | undefined;
  readonly problem?: Problem | null | undefined;
  readonly cause?: unknown;
}

/** Why a call failed. The message is for people, `code` for programs. */
export class EaselError extends Error {
  override readonly name = 'EaselError';
  readonly code: EaselErrorCode;
  /**
   * The HTTP status of the answer, or for a picture that failed the one that an answer about it has. Null where no answer came, and for
   * `cancelled`.
   */
  readonly status: number | null;
  /** Which parts of the request are wrong, and why. */
  readonly errors: readonly { readonly path: string; readonly message: string }[] | undefined;
  /** The picture this is about; its record is kept. */
  readonly mediaId: string | undefined;
  /** Finds the request in the service's log. */
  readonly requestId: string | undefined;
  /** Seconds after which it is worth while to try again, where the service says so. */
  readonly retryAfter: number | undefined;
  /** The whole problem, as an answer has it; null where there is none. */
  readonly problem: Problem | null;

  constructor({ code, message, status, errors, mediaId, requestId, retryAfter, problem, cause }: EaselErrorFields) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = status ?? null;
    this.errors = errors;
    this.mediaId = mediaId;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
    this.problem = problem ?? null;
  }
}

/** The error for a request without an answer. */
export function unreachable(url: string, cause: unknown): EaselError {
  const { origin } = new URL(url);
  return new EaselError({ code: 'unreachable', message: `${origin} could not be reached: ${describe(cause)}`, cause });
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // `fetch failed` says nothing: the reason is its cause.
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}

/** The error for an answer that is not what the service answers. */
export function unexpectedAnswer(answer: Response, what: string): EaselError {
  return new EaselError({
    code: 'unexpected_answer',
    message: `an answer with status ${answer.status} that is not the service's: ${what}`,
    status: answer.status,
    ...headerFields(answer),
  });
}

/** The error for an answer that is not ok; `body` is its text. */
export function errorOf(answer: Response, body: string): EaselError {
  const problem = problemOf(body);
  if (problem === null) {
    const start = body.replace(/\s+/g, ' ').trim().slice(0, 200);
    return unexpectedAnswer(answer, start === '' ? 'it has no body' : start);
  }
  const { code, detail, errors, mediaId, requestId, retryAfter } = problem;
  const header = headerFields(answer);
  return new EaselError({
    code: code as EaselErrorCode,
    message: detail,
    status: answer.status,
    errors,
    mediaId,
    requestId: requestId ?? header.requestId,
    retryAfter: retryAfter ?? header.retryAfter,
    problem,
  });
}

/** The problem in a body; null for a body that is none. A code that a newer service has passes. */
function problemOf(body: string): Problem | null {
  try {
    const value: unknown = JSON.parse(body);
    const isProblem =
      typeof value === 'object' && value !== null && 'code' in value && 'detail' in value && 'status' in value;
    return isProblem && typeof value.code === 'string' ? (value as Problem) : null;
  } catch {
    return null;
  }
}

function headerFields({ headers }: Response): { readonly requestId?: string; readonly retryAfter?: number } {
  const requestId = headers.get('x-request-id');
  const retryAfter = secondsOf(headers.get('retry-after'));
  return { ...(requestId !== null && { requestId }), ...(retryAfter !== null && { retryAfter }) };
}

/** The seconds of a `Retry-After` header: a number, or a date (RFC 9110, 10.2.3). */
function secondsOf(header: string | null): number | null {
  if (header === null) return null;
  if (/^\d+$/.test(header)) return Number(header);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - Date.now()) / 1000));
}

/** The error for a picture that ended without success. */
export function failureOf({ mediaId, status, error }: ImageRecord): EaselError {
  if (status === 'cancelled') {
    return new EaselError({ code: 'cancelled', message: 'the picture was cancelled', mediaId });
  }
  const known = error?.code ?? '';
  const code = isProblemCode(known) ? known : 'internal_error';
  const detail = error?.detail ?? 'the picture failed, and its record does not say why';
  const { status: httpStatus, title } = PROBLEMS[code];
  const instance = `/images/${mediaId}`;
  const type = `urn:easel:problem:${code}`;
  const problem = { type, title, status: httpStatus, detail, instance, code, mediaId };
  return new EaselError({ code, message: detail, status: httpStatus, mediaId, problem });
}

/** The error for a picture that is not there, or is no longer. */
export function notFound(mediaId: string, message: string): EaselError {
  return new EaselError({ code: 'not_found', message, status: PROBLEMS.not_found.status, mediaId });
}
