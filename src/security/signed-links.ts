import { createHmac, timingSafeEqual } from 'node:crypto';
import type { MediaUrls, SignedContent } from '../core/domain/record.ts';
import type { Clock } from '../core/ports/clock.ts';

/** Signed, expiring URLs of private pictures: makes and verifies them. */
export interface SignedLinks {
  readonly urls: MediaUrls;
  /**
   * How long a signature of exactly this content is still good for, in whole seconds, rounded down; null for any other signature, and for
   * one that has expired. Takes the query parameters as they came.
   */
  secondsLeft(content: SignedContent, expires: unknown, signature: unknown): number | null;
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
  const sign = ({ name, sha256 }: SignedContent, expires: string) =>
    createHmac('sha256', secret).update(`${name}\n${sha256}\n${expires}`).digest('base64url');

  return {
    urls: {
      ofName: plainUrls.ofName,
      ofFile(file, content = signable(file)) {
        const { url, versionedUrl } = plainUrls.ofFile(file);
        const expires = String((Math.floor(clock.now() / 1000 / seconds) + 2) * seconds);
        const query = `expires=${expires}&signature=${sign(content, expires)}`;
        const signed = (plain: string) => `${plain}${plain.includes('?') ? '&' : '?'}${query}`;
        return { url: signed(url), versionedUrl: signed(versionedUrl) };
      },
    },

    secondsLeft(content, expires, signature) {
      if (typeof expires !== 'string' || typeof signature !== 'string') return null;
      // Compares the base64url text, not the decoded bytes: decoding ignores some bits of the last digit.
      const expected = Buffer.from(sign(content, expires));
      const given = Buffer.from(signature);
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
      const left = Number(expires) * 1000 - clock.now();
      return left > 0 ? Math.floor(left / 1000) : null;
    },
  };
}

/** A file that is still to be made has no content to sign, so its caller names what it will be made from. */
function signable({ name, sha256 }: { readonly name: string; readonly sha256: string | null }): SignedContent {
  if (sha256 === null) throw new TypeError(`${name} is signed before it is made`);
  return { name, sha256 };
}
