import { createHmac, timingSafeEqual } from 'node:crypto';
import { ProblemError } from '../api/problem.ts';
import { ImageError } from '../core/domain/errors.ts';
import type { MediaFile } from '../core/domain/image.ts';
import { fileUrls, type MediaUrls } from '../core/domain/record.ts';
import type { Clock } from '../core/ports/clock.ts';
import { admit, bearsKey, type Keys } from '../http/access/auth.ts';
import type { MediaAccess } from '../http/media/access.ts';

/** Writes the URLs of pictures that only those may fetch who were given one, and knows them again. */
export interface SignedLinks {
  readonly urls: MediaUrls;
  /** Whether this is the unexpired signature of this very file. */
  verify(file: MediaFile, expires: unknown, signature: unknown): boolean;
}

export interface SignedLinksOptions {
  readonly secret: string;
  /** How long a URL holds at least. */
  readonly seconds: number;
  readonly clock: Clock;
}

/**
 * Signs with HMAC-SHA256 over the file's name, its content's hash and the second at which the URL expires. A mediaId can be
 * deleted and made again by someone else: an old URL does not open the new picture.
 *
 * URLs made within the same period of `seconds` are the same, so that caches work; each holds for one to two periods.
 */
export function createSignedLinks({ secret, seconds, clock }: SignedLinksOptions): SignedLinks {
  const sign = ({ name, sha256 }: MediaFile, expires: string) =>
    createHmac('sha256', secret).update(`${name}\n${sha256}\n${expires}`).digest('base64url');

  return {
    urls(file) {
      const { url, versionedUrl } = fileUrls(file);
      const expires = String((Math.floor(clock.now() / 1000 / seconds) + 2) * seconds);
      const proof = `expires=${expires}&signature=${sign(file, expires)}`;
      return { url: `${url}?${proof}`, versionedUrl: `${versionedUrl}&${proof}` };
    },

    verify(file, expires, signature) {
      if (typeof expires !== 'string' || typeof signature !== 'string') return false;
      // The text is compared, not the bytes it stands for: of base64's last digit some bits stand for nothing.
      const expected = Buffer.from(sign(file, expires));
      const given = Buffer.from(signature);
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
      return clock.now() < Number(expires) * 1000;
    },
  };
}

/**
 * Lets a picture be fetched with the URL that its record gave, or with a key that has `read` and sees the image.
 *
 * A signature that is not right is `forbidden`, whether it has expired, is another file's or was changed, and also where there
 * is no such file, or no more: nobody learns from it which pictures there are.
 */
export function privateAccess(keys: Keys, links: SignedLinks): MediaAccess {
  return (request, reply, published) => {
    const { expires, signature } = request.query as { readonly expires?: unknown; readonly signature?: unknown };
    if (published !== null && links.verify(published.file, expires, signature)) return;
    if (!keys.inUse || (signature !== undefined && !bearsKey(request))) {
      throw new ProblemError({
        code: 'forbidden',
        detail: 'the picture is private, and the URL is not, or no longer, a signed one; its record has a new one',
      });
    }
    const caller = admit(request, reply, keys, 'read');
    if (published !== null && !(caller.admin || caller.name === published.owner)) {
      throw new ImageError('not_found', 'there is no such picture');
    }
  };
}
