import { createHmac, timingSafeEqual } from 'node:crypto';
import type { MediaFile } from '../core/domain/image.ts';
import type { MediaUrls } from '../core/domain/record.ts';
import type { Clock } from '../core/ports/clock.ts';

/** Signed, expiring URLs of private pictures: makes and verifies them. */
export interface SignedLinks {
  readonly urls: MediaUrls;
  /** True for an unexpired signature of exactly this version of the file. Takes the query parameters as they came. */
  verify(file: MediaFile, expires: unknown, signature: unknown): boolean;
}

interface SignedLinksOptions {
  /** Makes the URLs that are signed. */
  readonly plainUrls: MediaUrls;
  readonly secret: string;
  /** Shortest lifetime of a URL, in seconds. */
  readonly seconds: number;
  readonly clock: Clock;
}

/**
 * Signs with HMAC-SHA256 over the file's name, the hash of its content and the second at which the URL expires. The hash
 * is signed because a mediaId can be deleted and used again by another owner: the old URL must not open the new picture.
 *
 * URLs made within the same period of `seconds` are equal, so that caches work; each is valid for one to two periods.
 */
export function createSignedLinks({ plainUrls, secret, seconds, clock }: SignedLinksOptions): SignedLinks {
  const sign = ({ name, sha256 }: MediaFile, expires: string) =>
    createHmac('sha256', secret).update(`${name}\n${sha256}\n${expires}`).digest('base64url');

  return {
    urls: {
      ofName: plainUrls.ofName,
      ofFile(file) {
        const { url, versionedUrl } = plainUrls.ofFile(file);
        const expires = String((Math.floor(clock.now() / 1000 / seconds) + 2) * seconds);
        const query = `expires=${expires}&signature=${sign(file, expires)}`;
        return { url: `${url}?${query}`, versionedUrl: `${versionedUrl}&${query}` };
      },
    },

    verify(file, expires, signature) {
      if (typeof expires !== 'string' || typeof signature !== 'string') return false;
      // Compares the base64url text, not the decoded bytes: decoding ignores some bits of the last digit.
      const expected = Buffer.from(sign(file, expires));
      const given = Buffer.from(signature);
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
      return clock.now() < Number(expires) * 1000;
    },
  };
}
