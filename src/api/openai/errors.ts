/** Errors in the shape of OpenAI's API, so that its SDKs raise their own classes. */

import { z } from 'zod';
import type { ProblemSpec } from '../problem.ts';
import { PROBLEMS, type ProblemCode } from '../problem-kinds.ts';

const openAiErrorObject = z
  .strictObject({
    message: z.string().meta({ description: 'What is wrong, and what to do about it.' }),
    type: z.string().meta({ examples: ['invalid_request_error'] }),
    code: z
      .string()
      .nullable()
      .meta({ examples: ['invalid_request'] }),
    param: z.string().nullable().meta({ description: 'The wrong parameter.' }),
  })
  .meta({ id: 'OpenAiErrorObject' });

/** Body of every answer of the dialect that reports an error. */
export const openAiError = z
  .strictObject({ error: openAiErrorObject })
  .meta({ id: 'OpenAiError', description: 'An error in the shape of the API of OpenAI.' });

export type OpenAiErrorObject = z.output<typeof openAiErrorObject>;

interface ErrorKind {
  /** Where it differs from the problem's. */
  readonly status?: number;
  readonly type?: string;
  /** Where it differs from the problem's. */
  readonly code?: string;
}

/** What differs from our own codes and statuses. The names are those that OpenAI's API answers with. */
const KINDS: { readonly [Code in ProblemCode]?: ErrorKind } = {
  unauthorized: { code: 'invalid_api_key' },
  unsupported_parameter: { status: 400 },
  prompt_rejected: { status: 400, type: 'image_generation_user_error', code: 'moderation_blocked' },
  budget_exhausted: { type: 'insufficient_quota', code: 'insufficient_quota' },
  rate_limited: { type: 'requests', code: 'rate_limit_exceeded' },
  queue_full: { type: 'requests', code: 'rate_limit_exceeded' },
};

/** An error of the dialect before it is sent. */
export interface OpenAiErrorSpec {
  readonly status: number;
  readonly error: OpenAiErrorObject;
  /** Seconds; null for none. */
  readonly retryAfter: number | null;
}

/** The error for a problem: the parameter is the first wrong one, by its name in the dialect. */
export function toOpenAiError(problem: ProblemSpec): OpenAiErrorSpec {
  const [first] = problem.errors ?? [];
  const param = first === undefined ? null : paramOf(first.path);
  const isUnknownModel = problem.code === 'unsupported_parameter' && param === 'model';
  const kind: ErrorKind = isUnknownModel ? { status: 404, code: 'model_not_found' } : (KINDS[problem.code] ?? {});
  const status = kind.status ?? problem.status ?? PROBLEMS[problem.code].status;
  const { retryAfter = PROBLEMS[problem.code].retryAfter ?? null } = problem;
  return {
    status,
    error: {
      message: messageOf(problem),
      type: kind.type ?? (status >= 500 ? 'server_error' : 'invalid_request_error'),
      code: kind.code ?? problem.code,
      param,
    },
    retryAfter: retryAfter === null ? null : Math.max(1, Math.ceil(retryAfter)),
  };
}

/** Codes whose detail says no more than the list of errors does. */
const POINTING_CODES: ReadonlySet<ProblemCode> = new Set(['invalid_request', 'payload_too_large']);

/**
 * The detail, with what is wrong with each parameter. This shape has no list of errors, so where the detail only points to that list, or
 * says the same, the message is the list alone.
 */
function messageOf({ code, detail, errors = [] }: ProblemSpec): string {
  const issues = errors.map(({ path, message }) => `${paramOf(path)}: ${message}`).join('; ');
  if (issues === '') return detail;
  const [first] = errors;
  const saysTheSame = POINTING_CODES.has(code) || detail === `${first?.path}: ${first?.message}`;
  return saysTheSame ? issues : `${detail} (${issues})`;
}

/** Fields of `CreateImage` that have another name in the dialect. */
const PARAMS: Readonly<Record<string, string>> = {
  format: 'output_format',
  webhookUrl: 'webhook_url',
  partials: 'partial_images',
  inputs: 'image',
};

/** The name in the dialect of the parameter that a path such as `inputs.0` leads to. */
function paramOf(path: string): string {
  const [field = path] = path.split('.');
  return path.replace(field, PARAMS[field] ?? field);
}
