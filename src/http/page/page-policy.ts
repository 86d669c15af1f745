import type { FastifyBaseLogger } from 'fastify';
import type { MediaFile } from '../../core/domain/image.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';
import type { MediaDelivery } from '../media/redirect.ts';

/** A name to sign: every URL of the store has the same origin. */
const ANY_FILE: MediaFile = { name: 'x.png', format: 'png', width: 1, height: 1, bytes: 1, sha256: '0'.repeat(64) };
const SIGNING = { seconds: 60, method: 'GET', contentType: 'image/png', cacheControl: 'no-store' } as const;

/**
 * The content security policy of the page: only files from this origin, nothing inline, no frames. Where pictures are redirected to their
 * store, they may come from there, too. The store's origin is that of the URLs that it signs; as long as it signs none, the page works
 * without pictures.
 */
export function createPagePolicy(
  pictures: PublishedPictures,
  delivery: MediaDelivery,
  logger: FastifyBaseLogger,
): () => Promise<string> {
  const signedUrl = delivery === 'redirect' ? pictures.signedUrl?.bind(pictures) : undefined;
  let origin: string | null = null;
  return async () => {
    try {
      if (signedUrl !== undefined) origin ??= new URL(await signedUrl(ANY_FILE, SIGNING)).origin;
    } catch (err) {
      logger.warn({ err }, 'the page shows no pictures: the store that they are redirected to signs no URL');
    }
    return policy(origin === null ? '' : ` ${origin}`);
  };
}

function policy(pictureOrigin: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src 'self' data: blob:${pictureOrigin}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
