import { ProviderError, type ProviderFault } from '../../core/domain/errors.ts';
import { sha256 } from '../../core/domain/file-names.ts';
import { keepOutsideText, type MaskSecrets } from '../../core/domain/text/outside-text.ts';
import type { DownloadedPicture, DownloadOptions } from '../../core/ports/provider.ts';
import { type GuardedFetch, RefusedAddressError } from '../../security/ssrf-guard.ts';
import { openCallSignal } from './call-signal.ts';
import { isText, isWholePicture } from './picture-bytes.ts';
import { parseRetryAfter } from './retry-after.ts';
import { wasNeverSent } from './transport.ts';

interface DownloadParts {
  /** The provider's name, with which each message begins. */
  readonly name: string;
  readonly guard: GuardedFetch;
  /** The provider's own URL; only its origin (scheme, host and port) is ever given the key. */
  readonly baseURL: string;
  /** The header that carries the provider's key; null where there is no key. */
  readonly keyHeader: Readonly<Record<string, string>> | null;
  /** Largest picture, in bytes. */
  readonly maxBytes: number;
  readonly maskSecrets: MaskSecrets;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const KEY_WANTED: ReadonlySet<number> = new Set([401, 403]);
const GONE = 410;
/** What is kept of a message that holds a host's name, in characters. */
const MAX_MESSAGE = 300;

/**
 * A function that fetches a picture by its URL, as `Provider.download` promises. Redirects are followed, three at most, each through the
 * SSRF guard. The provider's own origin gets its key where it asks for one, unless the URL has led there over another host. The URL may be
 * a signed one, so no message holds it.
 */
export function createPictureDownload(parts: DownloadParts) {
  const { name, guard, keyHeader, maxBytes, maskSecrets, now } = parts;
  const ownOrigin = new URL(parts.baseURL).origin;
  const fail = (fault: ProviderFault, detail: string, retryAfterMs: number | null = null) =>
    new ProviderError(fault, `${name}: ${detail}`, { retryAfterMs });

  /** Gets the URL, with the key where that is wanted and allowed. */
  async function get(url: URL, mayHaveKey: boolean, signal: AbortSignal) {
    const request = { method: 'GET', timeoutMs: null, maxBytes, signal } as const;
    const response = await guard.fetch(url.href, request);
    if (!KEY_WANTED.has(response.status) || !mayHaveKey || keyHeader === null) return response;
    return await guard.fetch(url.href, { ...request, headers: keyHeader });
  }

  async function follow(first: string, signal: AbortSignal): Promise<DownloadedPicture> {
    let url = new URL(first);
    let mayHaveKey = true;
    for (let redirects = 0; ; redirects += 1) {
      mayHaveKey &&= url.origin === ownOrigin;
      const { status, headers, body, complete } = await get(url, mayHaveKey, signal);
      const header = (wanted: string) => [headers[wanted]].flat()[0] ?? null;
      if (!REDIRECTS.has(status)) {
        if (status === GONE) throw fail('empty', 'the picture is gone (410)');
        if (status !== 200) {
          const retryAfterMs = parseRetryAfter(header, now());
          throw fail('interrupted', `the picture's URL answered ${status}`, retryAfterMs || null);
        }
        if (!complete) throw fail('empty', `the file is larger than ${maxBytes} bytes`);
        if (isText(body)) throw fail('interrupted', "the picture's URL answered with text instead of a picture");
        return { bytes: body, sha256: sha256(body), isWhole: isWholePicture(body) };
      }
      const next = URL.parse(header('location') ?? '', url.href);
      if (next === null || header('location') === null)
        throw fail('interrupted', "the picture's URL redirects without a usable Location");
      if (!/^https?:$/.test(next.protocol)) throw fail('empty', "the picture's URL redirects to no http or https URL");
      if (redirects === MAX_REDIRECTS)
        throw fail('interrupted', `the picture is redirected more than ${MAX_REDIRECTS} times`);
      url = next;
    }
  }

  return async (url: string, { signal, timeoutMs }: DownloadOptions): Promise<DownloadedPicture> => {
    using ends = openCallSignal({ cancelled: null, abandoned: signal, timeoutMs });
    try {
      return await follow(url, ends.signal);
    } catch (error) {
      if (error instanceof ProviderError) throw error;
      if (ends.endedBy === 'timeout') throw fail('timeout', 'the picture did not arrive in time');
      if (ends.endedBy === 'cancellation')
        throw fail('cancelled', 'the picture was not fetched: the call was cancelled');
      if (error instanceof RefusedAddressError)
        throw fail('empty', keepOutsideText(error.message, MAX_MESSAGE, maskSecrets));
      if (wasNeverSent(error)) throw fail('unreachable', "the picture's URL cannot be reached");
      throw fail('interrupted', 'the picture did not arrive whole');
    }
  };
}
