import { createHmac, timingSafeEqual } from 'node:crypto';
import type { MediaFile } from '../core/domain/image.ts';
import { fileUrls, type MediaUrls } from '../core/domain/record.ts';
import type { Clock } from '../core/ports/clock.ts';

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
