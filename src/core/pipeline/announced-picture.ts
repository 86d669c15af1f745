import { ProviderError } from '../domain/errors.ts';
import type { Attempt } from '../domain/image.ts';
import type { Clock } from '../ports/clock.ts';
import type { DownloadOptions, Provider, ReceivedBytes } from '../ports/provider.ts';
import { backoff } from '../upstream/backoff.ts';
import type { Run } from './job.ts';

/**
 * Fetches the picture that the answer of an attempt named by its URL. It is paid for, so a try that fails is repeated, with growing
 * gaps, until `until` (of the clock's `monotonic`), and for ten seconds at least: a file server may be late or down for a moment. A
 * cancellation during a wait is followed by one last try, a stop of the process by none: the URL is on record, for the next run.
 * Bytes that are no whole picture are taken only where a few tries bring no more: a server may still be writing the file.
 * Raises `ProviderError`: `empty` where the URL stays dead, `cancelled` where the tries ended before their time.
 */
export type FetchAnnounced = (
  run: Run,
  provider: Pick<Provider, 'name' | 'download'>,
  attempt: Attempt,
  until: number,
) => Promise<ReceivedBytes>;

const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 15_000;
/** The shortest time for tries, also where the model has taken nearly all of the call's. */
const MIN_TIME_MS = 10_000;
/** The shortest time for one try. */
const MIN_TRY_MS = 5_000;
/** Tries that may bring a part of the picture before that counts as all there is. */
const PARTIAL_TRIES = 4;

export function createFetchAnnounced({
  clock,
  random,
}: {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}): FetchAnnounced {
  return async ({ signals, log }, provider, attempt, until) => {
    const { announced, httpStatus, providerRequestId } = attempt;
    if (announced === null) throw new TypeError(`the answer of attempt ${attempt.id} names no picture`);
    const { url } = announced;
    const abandon = AbortSignal.any([signals.discarded, signals.stopping]);
    const noFurtherTry = AbortSignal.any([signals.cancelled, signals.draining]);
    const end = Math.max(until, clock.monotonic() + MIN_TIME_MS);
    let partialTries = 0;
    for (let tries = 1; ; tries += 1) {
      const leftMs = end - clock.monotonic();
      // Half of the time at most: one try that hangs must not be the only one.
      const timeoutMs = Math.max(MIN_TRY_MS, leftMs / 2);
      const { received, failure } = await tryOnce(provider, url, { signal: abandon, timeoutMs });
      if (failure === null) return received;
      if (failure.fault === 'cancelled') throw failure;
      const isLast = failure.fault === 'empty' || leftMs <= 0 || signals.cancelled.aborted;
      if (received !== null) partialTries += 1;
      if (received !== null && (isLast || partialTries === PARTIAL_TRIES)) return received;
      if (signals.cancelled.aborted) throw endedEarly(provider.name);
      if (isLast) {
        const detail = `${provider.name} answered with the URL of its picture, which could not be fetched: ${failure.message}`;
        throw new ProviderError('empty', detail, { httpStatus, providerRequestId });
      }
      const delayMs = nextDelay(tries, failure.retryAfterMs, end - clock.monotonic());
      const { reason } = failure;
      log.warn({ attempt: attempt.id, tries, delayMs, reason }, 'the picture of this call could not be fetched yet');
      await clock.sleep(delayMs, noFurtherTry).catch(() => undefined);
      if (signals.draining.aborted || abandon.aborted) throw endedEarly(provider.name);
    }
  };

  /** Within the time that is left, so that one more try follows. */
  function nextDelay(tries: number, retryAfterMs: number | null, leftMs: number): number {
    const delayMs = backoff({ tries, retryAfterMs, baseMs: BASE_DELAY_MS, maxMs: MAX_DELAY_MS }, random);
    return Math.max(0, Math.min(delayMs, leftMs));
  }
}

type Try =
  | { readonly received: ReceivedBytes; readonly failure: null }
  /** `received`: a part of the picture; null for none. */
  | { readonly received: ReceivedBytes | null; readonly failure: ProviderError };

async function tryOnce(provider: Pick<Provider, 'download'>, url: string, options: DownloadOptions): Promise<Try> {
  try {
    const { isWhole, ...received } = await provider.download(url, options);
    if (isWhole) return { received, failure: null };
    return { received, failure: new ProviderError('interrupted', 'its URL gave only a part of the picture') };
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    return { received: null, failure: error };
  }
}

function endedEarly(provider: string): ProviderError {
  return new ProviderError('cancelled', `the picture of ${provider} was not fetched: the work on it was stopped`);
}
