/** The closed list of problems. It imports nothing when it runs, so that the client can have it. */

import type { ImageErrorCode } from '../core/domain/errors.ts';

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Default of `Retry-After`, in seconds, for codes that always send one. */
  readonly retryAfter?: number;
}

/**
 * The closed list of problems by code, in the order of their status: every code of `ImageError` (leaving one out does not
 * compile) and the codes that only HTTP has.
 */
const KINDS = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  unauthorized: { status: 401, title: 'A known key is needed' },
  forbidden: { status: 403, title: 'The key, or the signed URL, does not allow this' },
  not_found: { status: 404, title: 'Not found' },
  media_id_conflict: { status: 409, title: 'The mediaId is in use with another request' },
  not_retryable: { status: 409, title: 'There is nothing to run again' },
  payload_too_large: { status: 413, title: 'The body, or a picture of it, is too large' },
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
} satisfies Readonly<Record<ImageErrorCode, ProblemKind>> & Readonly<Record<string, ProblemKind>>;

export type ProblemCode = keyof typeof KINDS;
/** Status, title and default `Retry-After` of every problem, by code. */
export const PROBLEMS: Readonly<Record<ProblemCode, ProblemKind>> = KINDS;

/** True for a code of the closed list. */
export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}
