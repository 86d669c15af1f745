import type { z } from 'zod';
import { type ProblemSpec, problem, toProblem } from '../../api/problem.ts';
import { PROBLEMS, type ProblemCode } from '../../api/problem-kinds.ts';

type Header = Readonly<Record<string, unknown>>;

/** An entry of a route's `response` schema for a JSON answer. */
export function json<S extends z.ZodType>(description: string, schema: S, headers?: Readonly<Record<string, Header>>) {
  return { description, headers, content: { 'application/json': { schema } } };
}

/** The problems of a body that cannot be read: of every route but those of GET and HEAD, whether it takes a body or ignores it. */
export const BODY_PROBLEMS = [
  'invalid_request',
  'payload_too_large',
  'unsupported_media_type',
] as const satisfies readonly ProblemCode[];

/** Entries of a route's `response` schema for the problems that it may answer with, by status, each with an example. */
export function problems(...codes: readonly ProblemCode[]) {
  const byStatus = Object.groupBy(codes, (code) => PROBLEMS[code].status);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, codes = []]) => {
      const description = codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' ');
      return [status, problemContent(description, codes, Number(status))];
    }),
  );
}

/** An entry of a route's `response` schema for a problem with a status that is not that of its code. */
export function problemContent(description: string, codes: readonly ProblemCode[], status: number) {
  const examples = Object.fromEntries(codes.map((code) => [code, { value: exampleOf(code, status) }]));
  return { description, content: { 'application/problem+json': { schema: problem, codes, examples } } };
}

/** Example details of the most common problems; the examples of other codes repeat the title. */
const EXAMPLE_DETAILS: Partial<Record<ProblemCode, Omit<ProblemSpec, 'code'>>> = {
  invalid_request: {
    detail: 'wrong in the body: `size`; see errors',
    errors: [{ path: 'size', message: 'must be WIDTHxHEIGHT in pixels with the letter x between, such as 1792x1024' }],
  },
  unauthorized: { detail: 'the API key is not known here' },
  forbidden: { detail: 'the API key blog lacks the scope generate' },
  rate_limited: {
    detail: 'at most 60 requests of this kind a minute; nothing was accepted or paid',
    retryAfter: 42,
  },
  media_id_conflict: {
    detail:
      'mediaId article-42-hero is in use for another request, which differs in size; choose another, or DELETE it first',
    errors: [{ path: 'size', message: 'differs from the earlier request' }],
    mediaId: 'article-42-hero',
  },
  unsupported_parameter: { detail: 'gpt-image-2 has no quality hd' },
  provider_failed: { detail: 'openai failed 4 times, at last with status 500', mediaId: 'article-42-hero' },
};

function exampleOf(code: ProblemCode, status: number) {
  const details = status === PROBLEMS[code].status ? EXAMPLE_DETAILS[code] : undefined;
  const spec = { code, status, ...(details ?? { detail: `${PROBLEMS[code].title}.` }) };
  return toProblem(spec, '/images', '0b9f6c1e-7c1e-4f0e-9a55-0d2f8a9d4d1b');
}
