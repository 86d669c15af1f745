import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { ImageError } from '../../core/domain/errors.ts';

/** What the parts of a request are called in answers. */
const PARTS: Readonly<Record<string, string>> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'headers',
};

/** Checks a part of a request by its zod schema; raises `invalid_request` naming every path that is wrong. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = 'body' }) => {
  const part = PARTS[httpPart] ?? httpPart;
  return (data) => {
    // Fastify hands over null where there is no body.
    const result = schema.safeParse(httpPart === 'body' ? (data ?? undefined) : data);
    return result.success ? { value: result.data } : { error: invalidRequest(part, result.error.issues) };
  };
};

/**
 * Has `app` read JSON bodies, and no others. An empty one counts as none, whatever its content type says: many clients
 * send the header by habit. Keys that would reach into prototypes are refused.
 */
export function readJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined);
    void parse(request, body, (error, value) => (error ? done(invalidJson(body)) : done(null, value)));
  });
}

function invalidRequest(part: string, issues: readonly z.core.$ZodIssue[]): ImageError {
  const paths = issues.flatMap((issue) => {
    const at = issue.path.map(String);
    if (issue.code !== 'unrecognized_keys') return [{ path: at.join('.') || part, message: issue.message }];
    return issue.keys.map((key) => ({
      path: [...at, key].join('.'),
      message: 'is not a known field; take it out or correct its name',
    }));
  });
  const named = paths.map(({ path }) => `\`${path}\``).join(', ');
  return new ImageError('invalid_request', `wrong in the ${part}: ${named}; see errors`, { paths });
}

function invalidJson(body: string): ImageError {
  try {
    JSON.parse(body);
  } catch {
    return new ImageError('invalid_request', 'the body is not valid JSON');
  }
  return new ImageError('invalid_request', 'the body holds a key that is allowed nowhere, such as __proto__');
}
