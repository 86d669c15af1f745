import type { FastifyReply } from 'fastify';
import type { MediaFile } from '../../core/domain/image.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';

/** Who sends the bytes of pictures: we do, or the store does, to which clients are redirected. */
export type MediaDelivery = 'stream' | 'redirect';

/**
 * Answers a GET or HEAD with 302 and a URL of the store, which gives the file with this media type. Neither outlives the signed URL that
 * was asked for, which is good for `secondsLeft`; null for one that is not signed.
 */
export type Redirect = (
  reply: FastifyReply,
  file: MediaFile,
  contentType: string,
  secondsLeft: number | null,
) => Promise<FastifyReply>;

/** How long a URL of the store is good for at most, and how long of it a client may keep the redirect. */
const SIGNED_SECONDS = 900;
const KEPT_SECONDS = 300;

/**
 * What sends clients to the store; null where pictures are to be streamed, or the store has no URLs to give. The `Cache-Control` that the
 * reply bears by then is that of the picture, and goes to the store with the URL. The redirect has no entity tag: a client that asks
 * whether it is still good would be told so, and go on with a URL that has expired.
 */
export function createRedirect(pictures: PublishedPictures, delivery: MediaDelivery): Redirect | null {
  const signedUrl = pictures.signedUrl?.bind(pictures);
  if (delivery === 'stream' || signedUrl === undefined) return null;
  return async (reply, file, contentType, secondsLeft) => {
    const method = reply.request.method === 'HEAD' ? 'HEAD' : 'GET';
    const cacheControl = String(reply.getHeader('cache-control'));
    const left = secondsLeft ?? SIGNED_SECONDS;
    // A URL of the store is good for a second at least.
    const seconds = Math.max(1, Math.min(SIGNED_SECONDS, left));
    const url = await signedUrl(file, { seconds, method, contentType, cacheControl });
    reply.removeHeader('etag').header('cache-control', `private, max-age=${Math.min(KEPT_SECONDS, left)}`);
    return reply.redirect(url, 302);
  };
}
