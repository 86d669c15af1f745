import PQueue from 'p-queue';
import { ImageError } from '../../core/domain/errors.ts';
import { keepOutsideText, type MaskSecrets } from '../../core/domain/text/outside-text.ts';
import type { PictureFetcher } from '../../core/ports/picture-fetcher.ts';
import { type GuardedFetch, RefusedAddressError } from '../../security/ssrf-guard.ts';

interface PictureFetcherOptions {
  readonly guard: GuardedFetch;
  /** Applied to what is said of a host that a server redirects to. */
  readonly maskSecrets: MaskSecrets;
  readonly userAgent: string;
  /** Fires when the service begins to stop: a stop waits for no other server. */
  readonly stopping: AbortSignal;
  /** Milliseconds for a picture, redirects included; 30 s by default. */
  readonly timeoutMs?: number;
  /** Most pictures that are fetched at the same time; 16 by default. Others wait, and their time begins with their turn. */
  readonly concurrency?: number;
}

type FetchOptions = Parameters<PictureFetcher['fetch']>[1];

const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What is kept of a message that holds a host's name, in characters. */
const MAX_MESSAGE = 300;
const REMEDY = 'give another URL, or send the picture itself';

/** Fetches by HTTP. Every request, also one that a redirect leads to, goes through the SSRF guard. */
export function createPictureFetcher({
  guard,
  maskSecrets,
  userAgent,
  stopping,
  timeoutMs = 30_000,
  concurrency = 16,
}: PictureFetcherOptions): PictureFetcher {
  const turns = new PQueue({ concurrency });
  const headers = { accept: 'image/png, image/jpeg, image/webp', 'user-agent': userAgent };

  async function follow(first: string, { maxBytes, onBytes }: FetchOptions, signal: AbortSignal): Promise<Uint8Array> {
    let url = first;
    for (let redirects = 0; ; redirects += 1) {
      const {
        status,
        headers: received,
        body,
        complete,
      } = await guard.fetch(url, {
        method: 'GET',
        headers,
        timeoutMs: null,
        maxBytes,
        onBytes,
        signal,
      });
      if (!REDIRECTS.has(status)) {
        if (status !== 200) throw unfetched(`its server answered ${status}`);
        if (!complete) throw tooLarge(maxBytes);
        return body;
      }
      const next = URL.parse([received.location].flat()[0] ?? '', url);
      if (next === null || received.location === undefined) throw unfetched('its server redirects to no URL');
      if (redirects === MAX_REDIRECTS) throw unfetched(`it is redirected more than ${MAX_REDIRECTS} times`);
      url = next.href;
    }
  }

  async function fetchOne(url: string, options: FetchOptions): Promise<Uint8Array> {
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      return await follow(url, options, AbortSignal.any([timeout, stopping]));
    } catch (error) {
      if (error instanceof ImageError) throw error;
      if (error instanceof RefusedAddressError) {
        throw unfetched(keepOutsideText(error.message, MAX_MESSAGE, maskSecrets), error);
      }
      if (stopping.aborted) throw isStopping(error);
      if (timeout.aborted) throw unfetched(`it did not arrive within ${timeoutMs / 1000} s`, error);
      const { code, name } = error as NodeJS.ErrnoException;
      throw unfetched(`its server could not be reached, or broke off (${code ?? name})`, error);
    }
  }

  return { fetch: (url, options) => turns.add(() => fetchOne(url, options)) };
}

function unfetched(reason: string, cause?: unknown): ImageError {
  return new ImageError('invalid_request', `the picture could not be fetched: ${reason}; ${REMEDY}`, { cause });
}

function isStopping(cause: unknown): ImageError {
  return new ImageError('shutting_down', 'the service is stopping; try again in a moment', {
    retryAfterSeconds: 10,
    cause,
  });
}

function tooLarge(maxBytes: number): ImageError {
  return new ImageError('payload_too_large', `the picture behind the URL has more than ${maxBytes} bytes`);
}
