import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { evaluateConditions } from '../media/conditional.ts';
import { acceptedCoding } from '../page/accepted-coding.ts';
import type { EncodedFile, EncodedPage } from '../page/encoded-page.ts';
import { ProblemError, sendProblem } from '../protocol/problem.ts';

interface PageRoutesOptions {
  readonly page: () => Promise<EncodedPage>;
  /** The `Content-Security-Policy` of the document. */
  readonly policy: () => Promise<string>;
}

/** A new release has another document, and other names in it. */
const CHECK_EACH_TIME = 'no-cache';
const CACHE_FOR_EVER = 'public, max-age=31536000, immutable';

/** Headers that concern documents. Scripts and styles go without: the page has many small files, and these are half as large as most. */
const OF_DOCUMENTS = [
  'cross-origin-opener-policy',
  'origin-agent-cluster',
  'referrer-policy',
  'x-dns-prefetch-control',
  'x-download-options',
  'x-frame-options',
  'x-permitted-cross-domain-policies',
  'x-xss-protection',
];

/**
 * The page at `/`, and its files below `/page/`. They hold no data, so they need no key; the page asks for one and calls the API with it.
 * They are no part of the API and of its description.
 */
export const pageRoutes: FastifyPluginAsync<PageRoutesOptions> = async (app, { page, policy }) => {
  const method = ['GET', 'HEAD'];
  const schema = { hide: true };

  app.route({
    method,
    url: '/',
    schema,
    handler: async (request, reply) => {
      const { document } = await page();
      reply.header('content-security-policy', await policy()).header('cache-control', CHECK_EACH_TIME);
      return sendFile(request, reply, document);
    },
  });

  app.route<{ Params: { file: string } }>({
    method,
    url: '/page/:file',
    schema,
    handler: async (request, reply) => {
      const file = (await page()).files.get(request.params.file);
      if (file === undefined)
        throw new ProblemError({ code: 'not_found', detail: 'the page has no such file; load it again' });
      // @fastify/helmet writes to the response itself.
      for (const name of OF_DOCUMENTS) reply.raw.removeHeader(name);
      return sendFile(request, reply.header('cache-control', CACHE_FOR_EVER), file);
    },
  });
};

function sendFile(request: FastifyRequest, reply: FastifyReply, file: EncodedFile): FastifyReply {
  const coding = acceptedCoding(request.headers['accept-encoding']?.toString());
  const etag = `"${file.hash}-${coding}"`;
  reply.header('etag', etag).header('vary', [reply.getHeader('vary') ?? [], 'Accept-Encoding'].flat().join(', '));
  switch (evaluateConditions(request.raw.headers, etag)) {
    case 'not_modified':
      return reply.code(304).send();
    case 'precondition_failed':
      return sendProblem(reply, {
        code: 'invalid_request',
        status: 412,
        detail: `If-Match does not name this file, which is ${etag}`,
      });
    case 'proceed': {
      const bytes = file.bytes[coding];
      if (coding !== 'identity') reply.header('content-encoding', coding);
      return reply.type(file.type).header('content-length', bytes.byteLength).send(bytes);
    }
  }
}
