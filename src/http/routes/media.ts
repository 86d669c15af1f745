import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { RENDITION_FORMATS, type RenditionFormat } from '../../core/domain/formats.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';
import { PICTURE_POLICY } from '../access/security-headers.ts';
import type { MediaAccess } from '../media/access.ts';
import { evaluateConditions, rangeToServe } from '../media/conditional.ts';
import type { HotFiles } from '../media/hot-files.ts';
import { createFileSender } from '../media/published-files.ts';
import type { Redirect } from '../media/redirect.ts';
import type { RepeatedAnswers } from '../media/repeated-answers.ts';
import { problemContent, problems } from '../openapi/responses.ts';
import { ProblemError, sendProblem } from '../protocol/problem.ts';

interface MediaRoutesOptions {
  readonly pictures: PublishedPictures;
  readonly hot: HotFiles;
  /** Learns how the app answers; null where each request is to be looked at. */
  readonly repeated: RepeatedAnswers | null;
  /** Sends clients to the store; null where pictures are sent by us. */
  readonly redirect: Redirect | null;
  /** Null when pictures are public. */
  readonly access: MediaAccess | null;
}

/** The names that published files can have. Only these are looked up, so that no name leads out of the store. */
const FILE_NAME = new RegExp(
  String.raw`^[a-z0-9][a-z0-9._-]{0,127}(?:(?:@\d+x\d+)?\.(?:${RENDITION_FORMATS.join('|')})|@thumb\.webp)$`,
);

const MEDIA_TYPES: Readonly<Record<RenditionFormat, string>> = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  avif: 'image/avif',
};

/** A mediaId can be deleted and made again, so only a URL with the content's hash may be cached for ever. */
const CACHE_SHORTLY = { seconds: 300, rule: 'must-revalidate' };
const CACHE_FOR_EVER = { seconds: 31_536_000, rule: 'immutable' };

/** `GET` and `HEAD /media/:file`: masters, renditions and thumbnails, whole or in part. */
export const mediaRoutes: FastifyPluginAsyncZod<MediaRoutesOptions> = async (
  app,
  { pictures, hot, repeated, redirect, access },
) => {
  const sendFile = createFileSender(pictures, hot, repeated);
  // `private` keeps private pictures out of shared caches.
  const cachedBy = access === null ? 'public' : 'private';

  app.route({
    method: ['GET', 'HEAD'],
    url: '/media/:file',
    config: { rateLimitedAs: 'media' },
    schema: {
      operationId: 'getMedia',
      security: [{}, { bearer: [] }, { apiKey: [] }],
      tags: ['media'],
      summary: 'Get a picture',
      description:
        '`{mediaId}.{png|jpeg|webp}` is the master, `{mediaId}@{width}x{height}.{png|jpeg|webp|avif}` a rendition, ' +
        '`{mediaId}@thumb.webp` a small copy of the master. With `?v=` and the first 12 digits of the sha256 it may be cached for ever, ' +
        'a private one until its URL expires.',
      params: z.object({
        file: z.string().meta({ examples: ['article-42-hero.png', 'article-42-hero@1200x675.png'] }),
      }),
      querystring: z.object({
        v: z
          .unknown()
          .optional()
          .meta({ type: 'string', examples: ['3f1c9a0b77de'] }),
        expires: z
          .unknown()
          .optional()
          .meta({ type: 'string', description: 'With `signature`, as the record of a private picture has it.' }),
        signature: z.unknown().optional().meta({ type: 'string' }),
      }),
      response: {
        200: pictureContent('The picture.'),
        206: pictureContent('The part that `Range` asked for.'),
        302: z.undefined().describe('The store sends the picture, from `Location`: with `MEDIA_DELIVERY=redirect`.'),
        304: z.undefined().describe('The copy that the client has is still good.'),
        ...problems('unauthorized', 'forbidden', 'not_found', 'rate_limited', 'storage_unavailable'),
        412: problemContent('`If-Match` does not name the file as it is.', ['invalid_request'], 412),
        416: problemContent('The file has no bytes in the range that was asked for.', ['invalid_request'], 416),
      },
    },
    // The schema is only for the OpenAPI document: a wrong name is answered with `not_found`, not with a validation error.
    validatorCompiler: () => (data) => ({ value: data }),
    handler: async (request, reply) => {
      const published = FILE_NAME.test(request.params.file) ? await pictures.find(request.params.file) : null;
      const secondsLeft = access?.(request, reply, published) ?? null;
      const file = published && (published.file ?? (await pictures.makeThumbnail(request.params.file)));
      if (file === null) throw new ProblemError({ code: 'not_found', detail: 'there is no such picture' });
      const etag = `"${file.sha256}"`;
      const named = request.query.v === file.sha256.slice(0, 12);
      reply
        .header('etag', etag)
        .header('cache-control', cacheControl(cachedBy, named, secondsLeft))
        .header('content-security-policy', PICTURE_POLICY)
        // Pages of every origin may embed the picture.
        .header('cross-origin-resource-policy', 'cross-origin');

      switch (evaluateConditions(request.raw.headers, etag)) {
        case 'not_modified':
          repeated?.keep(request, reply, file, 304);
          return reply.code(304).send();
        case 'precondition_failed':
          return sendProblem(reply, {
            code: 'invalid_request',
            status: 412,
            detail: `If-Match does not name this file, which is ${etag}`,
          });
        case 'proceed': {
          const range = rangeToServe(request.raw.headers, etag, file.bytes);
          if (range === 'none') {
            // RFC 9110, 15.5.17: a 416 gives the length of the file.
            return sendProblem(reply.header('content-range', `bytes */${file.bytes}`), {
              code: 'invalid_request',
              status: 416,
              detail: 'the file has no bytes in the range that was asked for',
            });
          }
          const type = MEDIA_TYPES[file.format];
          if (redirect !== null) return await redirect(reply, file, type, secondsLeft);
          reply.type(type);
          return await sendFile(reply, file, range === 'whole' ? null : range);
        }
      }
    },
  });
};

/** No copy is kept beyond the end of a signed URL. */
function cacheControl(cachedBy: 'public' | 'private', named: boolean, secondsLeft: number | null): string {
  const { seconds, rule } = named ? CACHE_FOR_EVER : CACHE_SHORTLY;
  return `${cachedBy}, max-age=${Math.min(seconds, secondsLeft ?? seconds)}, ${rule}`;
}

function pictureContent(description: string) {
  const content = Object.fromEntries(Object.values(MEDIA_TYPES).map((type) => [type, { schema: z.unknown() }]));
  return { description, content };
}
