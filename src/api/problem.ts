/** Problems: every answer that reports an error, by RFC 9457. */

import { z } from 'zod';
import type { ImageError } from '../core/domain/errors.ts';
import type { Image } from '../core/domain/image.ts';
import { codeOf } from './fields.ts';
import { isProblemCode, PROBLEMS, type ProblemCode } from './problem-kinds.ts';

/** The code of a problem, or of the failure of an image. */
export const problemCode = codeOf(Object.keys(PROBLEMS)).meta({
  id: 'ProblemCode',
  description: 'From a closed list.',
});

/** Body of every answer that reports an error. */
export const problem = z
  .strictObject({
    type: z.string().meta({ description: 'Names the kind of problem.', examples: ['urn:easel:problem:queue_full'] }),
    title: z.string().meta({ description: 'The kind in words, always the same.' }),
    status: z.int().meta({ description: 'The HTTP status.' }),
    detail: z.string().meta({ description: 'What is wrong here, and what to do about it.' }),
    instance: z.string().meta({ description: 'The path that was asked for; a URL where `PUBLIC_URL` is set.' }),
    code: problemCode,
    requestId: z.string().meta({ description: 'Finds this request in the log.' }),
    errors: z
      .array(z.strictObject({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'Which parts of the request are wrong, and why.' }),
    retryAfter: z.int().optional().meta({ description: 'Seconds, as in the Retry-After header.' }),
    mediaId: z.string().optional().meta({ description: 'The picture this is about; its record is kept.' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });

type Problem = z.output<typeof problem>;

/** A problem before `instance` and `requestId` are known. */
export interface ProblemSpec {
  readonly code: ProblemCode;
  readonly detail: string;
  /** Overrides the status of the code, where HTTP has a more precise one, such as 412 or 431. */
  readonly status?: number;
  /** The wrong fields of the request, by path. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
  /** Value of `Retry-After`, in seconds; where absent, the default of the code; null for none. */
  readonly retryAfter?: number | null;
  readonly mediaId?: string | null;
}

/** The problem for an error of the core. */
export function errorProblem({ code, message, paths, retryAfterSeconds, mediaId }: ImageError): ProblemSpec {
  return {
    code,
    detail: message,
    errors: paths,
    ...(retryAfterSeconds !== null && { retryAfter: retryAfterSeconds }),
    mediaId,
  };
}

/** The wrong fields that a schema found, each by its path, or by `whole` where the issue is about all of them. */
export function fieldErrors(issues: readonly z.core.$ZodIssue[], whole: string): { path: string; message: string }[] {
  return issues.flatMap((issue) => {
    const at = issue.path.map(String);
    // The whole part is absent, or of another kind, such as a list.
    const isNoObject = issue.code === 'invalid_type' && issue.expected === 'object' && at.length === 0;
    if (isNoObject) return [{ path: whole, message: 'must be a JSON object' }];
    if (issue.code !== 'unrecognized_keys') return [{ path: at.join('.') || whole, message: issue.message }];
    return issue.keys.map((key) => ({
      path: [...at, key].join('.'),
      message: 'is not a known field; take it out or correct its name',
    }));
  });
}

/** The problem for an image that failed: the code and detail of its record, `internal_error` where the list lacks its code. */
export function failureProblem({ mediaId, error }: Image): ProblemSpec & { readonly mediaId: string } {
  const code = error?.code ?? '';
  return {
    code: isProblemCode(code) ? code : 'internal_error',
    detail: error?.detail ?? 'the picture failed, and its record does not say why',
    mediaId,
  };
}

/** The problem for a request whose image had failed before, and is not run again by that request: waiting does not help. */
export function replayedFailure(image: Image): ProblemSpec {
  const failure = failureProblem(image);
  const advice = `POST /images/${failure.mediaId}/retry runs it again, although that may cost again`;
  return {
    ...failure,
    retryAfter: null,
    detail: `${failure.detail}; this is an earlier failure, and nothing was called now: ${advice}`,
  };
}

/** Makes the body of a problem. `instance` is the request's path, or its URL, without the query, which may hold secrets. */
export function toProblem(spec: ProblemSpec, instance: string, requestId: string): Problem {
  const kind = PROBLEMS[spec.code];
  const retryAfter = spec.retryAfter === undefined ? kind.retryAfter : spec.retryAfter;
  return {
    type: `urn:easel:problem:${spec.code}`,
    title: kind.title,
    status: spec.status ?? kind.status,
    detail: spec.detail,
    instance,
    code: spec.code,
    requestId,
    ...(spec.errors !== undefined && spec.errors.length > 0 && { errors: [...spec.errors] }),
    ...(retryAfter != null && { retryAfter: Math.max(1, Math.ceil(retryAfter)) }),
    ...(spec.mediaId != null && { mediaId: spec.mediaId }),
  };
}
