import { errorCodes, type FastifyInstance, type FastifyRequest, type FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { fieldErrors } from '../../api/problem.ts';
import { withoutPictures } from './json-pictures.ts';
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
  const parse = createJsonParser(app);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (request: FastifyRequest, bytes: Buffer) =>
    bytes.length === 0
      ? undefined
      : await parse(request, await withoutPictures(request, bytes), (what) => invalidBody(what)),
  );
  app.addContentTypeParser('*', ({ headers, is404 }, _body, done) => {
    // An unknown route is said to be one, whatever the body.
    if (is404 || headers['content-length'] === '0') return done(null, undefined);
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

/** The value of JSON in UTF-8. Raises `problem` of what is wrong with it, such as `is not valid JSON`. */
export type ParseJson = (
  request: FastifyRequest,
  bytes: Buffer,
  problem: (what: string) => ProblemError,
) => Promise<unknown>;

/** A parser of JSON that refuses keys that could pollute prototypes. */
export function createJsonParser(app: FastifyInstance): ParseJson {
  const parse = app.getDefaultJsonParser('error', 'error');
  return async (request, bytes, problem) => {
    const text = decodeUtf8(bytes);
    if (text === null) throw problem('is not valid UTF-8');
    return await new Promise((resolve, reject) => {
      void parse(request, text, (error, value) => (error ? reject(problem(faultOf(text))) : resolve(value)));
    });
  };
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

/** What is wrong with JSON that was refused. */
function faultOf(text: string): string {
  try {
    JSON.parse(text);
  } catch {
    return 'is not valid JSON';
  }
  // Valid JSON that secure-json-parse refused: it holds `__proto__` or `constructor.prototype`.
  return 'holds a key that is allowed nowhere, such as __proto__';
}

function invalidBody(what: string): ProblemError {
  return new ProblemError({ code: 'invalid_request', detail: `the body ${what}` });
}
