import { errorCodes, type FastifyInstance, type FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { ProblemError } from './problem.ts';

/** Names of a request's parts in problems. */
const PARTS: Readonly<Record<string, string>> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'headers',
};

/** Validates a part of a request by its zod schema; raises `invalid_request` that names every wrong path. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = 'body' }) => {
  const part = PARTS[httpPart] ?? httpPart;
  return (data) => {
    // Fastify passes null where there is no body.
    const result = schema.safeParse(httpPart === 'body' ? (data ?? undefined) : data);
    return result.success ? { value: result.data } : { error: invalidRequest(part, result.error.issues) };
  };
};

/**
 * Makes JSON the only type of body that `app` reads. An empty body counts as none whatever its content type, since many
 * clients always send the header. Keys that could pollute prototypes are refused.
 */
export function readJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined);
    void parse(request, body, (error, value) => (error ? done(invalidJson(body)) : done(null, value)));
  });
  app.addContentTypeParser('*', ({ headers }, _body, done) => {
    if (headers['content-length'] === '0') return done(null, undefined);
    done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(headers['content-type']));
  });
}

function invalidRequest(part: string, issues: readonly z.core.$ZodIssue[]): ProblemError {
  const paths = issues.flatMap((issue) => {
    const at = issue.path.map(String);
    if (issue.code !== 'unrecognized_keys') return [{ path: at.join('.') || part, message: issue.message }];
    return issue.keys.map((key) => ({
      path: [...at, key].join('.'),
      message: 'is not a known field; take it out or correct its name',
    }));
  });
  const named = paths.map(({ path }) => `\`${path}\``).join(', ');
  return new ProblemError({
    code: 'invalid_request',
    detail: `wrong in the ${part}: ${named}; see errors`,
    errors: paths,
  });
}

function invalidJson(body: string): ProblemError {
  try {
    JSON.parse(body);
  } catch {
    return new ProblemError({ code: 'invalid_request', detail: 'the body is not valid JSON' });
  }
  // Valid JSON that secure-json-parse refused: it holds `__proto__` or `constructor.prototype`.
  const detail = 'the body holds a key that is allowed nowhere, such as __proto__';
  return new ProblemError({ code: 'invalid_request', detail });
}
