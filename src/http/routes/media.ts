import { once } from 'node:events';
import { fstat, ReadStream } from 'node:fs';
import { promisify } from 'node:util';
import fastifyStatic from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { ImageError } from '../../images/errors.ts';
import type { MediaFile, RenditionFormat } from '../../images/image.ts';
import { rangeToServe, weigh } from '../conditional.ts';
import { createHotFiles } from '../hot-files.ts';
import { problems } from '../openapi.ts';
import { createPooledReads } from '../pooled-reads.ts';
import { answerProblem } from '../problem.ts';
import type { MediaFiles, PublishedFile } from '../published-files.ts';
import { PICTURE_POLICY } from '../security-headers.ts';

/** Raises the problem of a request that may not have this file, or null where there is none. */
export type MediaAccess = (request: FastifyRequest, reply: FastifyReply, published: PublishedFile | null) => void;

interface MediaRoutesOptions {
  readonly files: MediaFiles;
  /** Room for popular files in memory. */
  readonly cacheBytes: number;
  /** Null where everyone may fetch. */
  readonly access: MediaAccess | null;
}

declare module 'fastify' {
  interface FastifyReply {
    /** The file that this answer is to be, as its record has it. */
    mediaFile: MediaFile | null;
  }
}

/** The names that published files can have; nothing else is looked up, so no path leads out of the folder. */
const FILE_NAME = /^[a-z0-9][a-z0-9._-]{0,127}(?:@\d+x\d+)?\.(?:png|jpeg|webp|avif)$/;

const MEDIA_TYPES: Readonly<Record<RenditionFormat, string>> = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  avif: 'image/avif',
};

/** A mediaId can be deleted and made again, so only a URL that names the content may be kept for ever. */
const CACHE_SHORTLY = 'max-age=300, must-revalidate';
const CACHE_FOR_EVER = 'max-age=31536000, immutable';

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'];

const fileStat = promisify(fstat);

/** All that @fastify/send would say by itself is said here. Its types do not know this. */
const SENDING = { contentType: false };

/** `GET` and `HEAD /media/:file`: masters and renditions, whole or in part. */
export const mediaRoutes: FastifyPluginAsyncZod<MediaRoutesOptions> = async (app, { files, cacheBytes, access }) => {
  const hot = createHotFiles(files, cacheBytes);
  const readInto = createPooledReads();
  // What not everyone may see is no thing for caches that everyone shares.
  const cachedBy = access === null ? 'public' : 'private';
  await app.register(fastifyStatic, {
    root: files.root,
    serve: false,
    index: false,
    dotfiles: 'ignore',
    // All three are said here, from the record: @fastify/send would make a weak tag of the file's size and time.
    cacheControl: false,
    etag: false,
    lastModified: false,
  });
  app.decorateReply('mediaFile', null);

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
        '`{mediaId}.{png|jpeg|webp}` is the master, `{mediaId}@{width}x{height}.{png|jpeg|webp|avif}` a rendition. ' +
        'With `?v=` and the first 12 digits of the sha256 it may be cached for ever.',
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
        200: pictures('The picture.'),
        206: pictures('The part that `Range` asked for.'),
        304: z.undefined().describe('The copy that the client has is still good.'),
        ...problems('unauthorized', 'forbidden', 'not_found', 'rate_limited'),
      },
    },
    // The schema is for the document alone: whatever is asked for, there is such a picture or there is not.
    validatorCompiler: () => (data) => ({ value: data }),
    onSend: (_request, reply, payload, done) => {
      const file = reply.mediaFile;
      if (file === null || !(payload instanceof ReadStream)) return done(null, payload);
      void whole(file, payload).then((fd) => {
        const part = { fd, ...partOf(reply), close: () => payload.destroy() };
        done(null, readInto(part, reply.raw));
      }, done);
    },
    handler: async (request, reply) => {
      const published = FILE_NAME.test(request.params.file) ? await files.find(request.params.file) : null;
      access?.(request, reply, published);
      if (published === null) throw new ImageError('not_found', 'there is no such picture');
      const { file } = published;
      const etag = `"${file.sha256}"`;
      const named = request.query.v === file.sha256.slice(0, 12);
      reply
        .header('etag', etag)
        .header('cache-control', `${cachedBy}, ${named ? CACHE_FOR_EVER : CACHE_SHORTLY}`)
        .header('content-security-policy', PICTURE_POLICY)
        // Pages anywhere may show it.
        .header('cross-origin-resource-policy', 'cross-origin');

      switch (weigh(request.raw.headers, etag)) {
        case 'not_modified':
          return reply.code(304).send();
        case 'precondition_failed':
          return answerProblem(reply, {
            code: 'invalid_request',
            status: 412,
            detail: `If-Match does not name this file, which is ${etag}`,
          });
        case 'proceed': {
          const { headers } = request.raw;
          const range = rangeToServe(headers, etag, file.bytes);
          reply.type(MEDIA_TYPES[file.format]);
          const bytes = range === undefined ? await hot.bytesOf(file) : null;
          if (bytes !== null) return reply.header('accept-ranges', 'bytes').send(bytes);

          // @fastify/send reads the raw headers. The conditions are settled and it knows another tag, or none: it must
          // not weigh them again.
          for (const condition of CONDITIONS) delete headers[condition];
          if (range === undefined) delete headers.range;
          reply.mediaFile = file;
          return reply.sendFile(file.name, {
            ...SENDING,
            onFile: (_path, { size }) => {
              if (size !== file.bytes) throw gone();
            },
          });
        }
      }
    },
  });

  /**
   * The descriptor of a file, let through only if it is, from its first byte to its last, the one that was found.
   * @fastify/send looks at a file by its path and opens it later; meanwhile it may have been deleted, or made again as
   * another picture. Once it is open it cannot change, since files are only ever replaced whole.
   */
  async function whole(file: MediaFile, payload: ReadStream): Promise<number> {
    const [fd] = await once(payload, 'open').catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' ? gone() : error;
    });
    const [{ size }, current] = await Promise.all([fileStat(fd), files.find(file.name)]);
    if (size === file.bytes && current?.file.sha256 === file.sha256) return fd;
    payload.destroy();
    throw gone();
  }
};

/** Which part of its file an answer is that @fastify/send has prepared. */
function partOf(reply: FastifyReply): { readonly start: number; readonly bytes: number } {
  const start = /^bytes (\d+)-/.exec(String(reply.getHeader('content-range')))?.[1] ?? 0;
  return { start: Number(start), bytes: Number(reply.getHeader('content-length')) };
}

function gone(): ImageError {
  return new ImageError('not_found', 'the picture was deleted just now');
}

function pictures(description: string) {
  const content = Object.fromEntries(Object.values(MEDIA_TYPES).map((type) => [type, { schema: z.unknown() }]));
  return { description, content };
}
