import { errorCodes, type FastifyInstance, type FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { fieldErrors } from '../../api/problem.ts';
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
 * Makes JSON in UTF-8 (RFC 8259, 8.1), sent as it is, the only type of body that `app` reads. An empty body counts as none whatever its
 * content type, since many clients always send the header. Keys that could pollute prototypes are refused.
 */
export function readJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (bytes.length === 0) return done(null, undefined);
    const body = decodeUtf8(bytes);
    if (body === null) return done(invalidBody('is not valid UTF-8'));
    void parse(request, body, (error, value) => (error ? done(invalidJson(body)) : done(null, value)));
  });
  app.addContentTypeParser('*', ({ headers }, _body, done) => {
    if (headers['content-length'] === '0') return done(null, undefined);
    done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(headers['content-type']));
  });
  app.addHook('preParsing', (request, reply, payload, done) => {
    const { 'content-encoding': coding, 'content-length': length } = request.headers;
    const isRead = coding === undefined || coding.trim() === '' || coding.trim().toLowerCase() === 'identity';
    if (isRead || length === '0') return done(null, payload);
    // RFC 9110, 15.5.16: `Accept-Encoding` tells which codings are read.
    reply.header('accept-encoding', 'identity');
    const detail = 'bodies are read without a Content-Encoding only; send the JSON as it is';
    done(new ProblemError({ code: 'unsupported_media_type', detail }));
  });
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text, without a byte order mark; null for bytes that are not UTF-8. */
function decodeUtf8(bytes: Buffer): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

function invalidRequest(part: string, issues: readonly z.core.$ZodIssue[]): ProblemError {
  const paths = fieldErrors(issues, part);
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
    return invalidBody('is not valid JSON');
  }
  // Valid JSON that secure-json-parse refused: it holds `__proto__` or `constructor.prototype`.
  return invalidBody('holds a key that is allowed nowhere, such as __proto__');
}

function invalidBody(what: string): ProblemError {
  return new ProblemError({ code: 'invalid_request', detail: `the body ${what}` });
}
