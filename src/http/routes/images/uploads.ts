import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { CreateImageBody } from '../../../api/create-image.ts';
import type { NamedInput } from '../../../api/inputs.ts';
import type { GivenInput } from '../../../core/domain/input.ts';
import type { CreateImage } from '../../../core/domain/request.ts';
import { type MultipartBody, type Part, UPLOAD_LIMITS } from '../../protocol/multipart.ts';
import { type MultipartRoute, takeMultipart } from '../../protocol/multipart-bodies.ts';
import { ProblemError } from '../../protocol/problem.ts';
import { createJsonParser } from '../../protocol/validation.ts';

/** The part that is the JSON; the others are files, named by `inputs` and `mask`. */
const REQUEST = 'request';

/** How the routes that take a request for an image take `multipart/form-data`: the body to validate is the JSON of the part `request`. */
export function requestWithFiles(app: FastifyInstance): MultipartRoute {
  const parse = createJsonParser(app);
  return {
    limits: UPLOAD_LIMITS,
    async toBody({ parts }, request) {
      const [part, ...more] = parts.filter(({ name }) => name === REQUEST);
      if (part === undefined) throw wrongPart(REQUEST, 'is missing: it is the JSON of the request');
      if (more.length > 0) throw wrongPart(REQUEST, 'must come once');
      if (part.bytes.length > UPLOAD_LIMITS.maxTextBytes) {
        throw new ProblemError({
          code: 'payload_too_large',
          detail: 'the part `request` must not be larger than 1 MiB',
        });
      }
      return await parse(request, part.bytes, (what) => wrongPart(REQUEST, what));
    },
    document: (json) => ({
      schema: {
        type: 'object',
        description:
          'The part `request` is the JSON; the others are the files that its `inputs` and `mask` name, each named once. Parts may come ' +
          `in any order, at most ${UPLOAD_LIMITS.maxParts} of them.`,
        properties: { [REQUEST]: json },
        required: [REQUEST],
        additionalProperties: { description: 'A picture: PNG, JPEG or WebP.' },
      },
      encoding: { [REQUEST]: { contentType: 'application/json' } },
    }),
  };
}

/**
 * Does `work` with the request, its files in place, then lets go of the files' bytes. Raises `invalid_request` for a file that is named
 * and not there, or there and not named.
 */
export async function withFiles<T>(request: RequestWithBody, work: (create: CreateImage) => Promise<T>): Promise<T> {
  using body = takeMultipart(request);
  return await work(attachFiles(request.body, body));
}

interface RequestWithBody extends FastifyRequest {
  body: CreateImageBody;
}

/** The request with the bytes of its files, which are parts of `body`; null for a body that was JSON. */
function attachFiles({ inputs, mask, ...create }: CreateImageBody, body: MultipartBody | null): CreateImage {
  const files = Map.groupBy(
    (body?.parts ?? []).filter(({ name }) => name !== REQUEST),
    ({ name }) => name,
  );
  const errors: { path: string; message: string }[] = [];
  const named = new Set<string>();
  const attach = (input: NamedInput, path: string): GivenInput => {
    if (!('file' in input)) return input;
    named.add(input.file);
    const parts = files.get(input.file) ?? [];
    const [part] = parts;
    if (part !== undefined && parts.length === 1) return { file: input.file, bytes: part.bytes };
    errors.push({ path: `${path}.file`, message: describeMissing(body, parts) });
    return { file: input.file, bytes: Buffer.alloc(0) };
  };
  const attached = {
    ...create,
    inputs: inputs?.map((input, index) => attach(input, `inputs.${index}`)),
    mask: mask && attach(mask, 'mask'),
  };
  const unnamed = [...files.keys()].filter((name) => !named.has(name));
  errors.push(...unnamed.map((path) => ({ path, message: 'is a part that neither `inputs` nor `mask` names' })));
  if (errors.length === 0) return attached;
  const paths = errors.map(({ path }) => `\`${path}\``).join(', ');
  throw new ProblemError({ code: 'invalid_request', detail: `wrong in the body: ${paths}; see errors`, errors });
}

/** Why a named file cannot be taken from the parts of its name. */
function describeMissing(body: MultipartBody | null, parts: readonly Part[]): string {
  if (body === null) return 'names a part of a multipart/form-data body; this body is JSON';
  if (parts.length === 0) return 'names no part of the body but `request`: send the file as a part of this name';
  return `names ${parts.length} parts of the body; give each a name of its own`;
}

function wrongPart(name: string, what: string): ProblemError {
  const detail = `the part \`${name}\` of the body ${what}`;
  return new ProblemError({ code: 'invalid_request', detail, errors: [{ path: name, message: what }] });
}
