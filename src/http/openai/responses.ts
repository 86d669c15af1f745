import { openAiError, toOpenAiError } from '../../api/openai/errors.ts';
import { PROBLEMS, type ProblemCode } from '../../api/problem-kinds.ts';
import { BODY_PROBLEMS } from '../openapi/responses.ts';

/** Entries of a route's `response` schema for the errors of the dialect that stand for these problems, by status. */
export function openAiErrors(...codes: readonly ProblemCode[]) {
  const sent = codes.map((code) => ({ code, spec: toOpenAiError({ code, detail: `${PROBLEMS[code].title}.` }) }));
  const byStatus = Object.groupBy(sent, ({ spec }) => spec.status);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, kinds = []]) => {
      const description = kinds.map(({ code, spec }) => `\`${spec.error.code}\`: ${PROBLEMS[code].title}.`).join(' ');
      const examples = Object.fromEntries(kinds.map(({ code, spec }) => [code, { value: { error: spec.error } }]));
      return [status, { description, content: { 'application/json': { schema: openAiError, examples } } }];
    }),
  );
}

/** The errors that a call for pictures may end with. */
export const CALL_ERRORS = openAiErrors(
  ...BODY_PROBLEMS,
  'unauthorized',
  'forbidden',
  'not_found',
  'media_id_conflict',
  'prompt_rejected',
  'unsupported_parameter',
  'idempotency_key_reused',
  'budget_exhausted',
  'rate_limited',
  'queue_full',
  'internal_error',
  'provider_failed',
  'invalid_image',
  'provider_unavailable',
  'storage_unavailable',
  'shutting_down',
  'provider_timeout',
  'storage_full',
);
