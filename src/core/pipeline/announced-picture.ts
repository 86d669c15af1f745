import { ProviderError } from '../domain/errors.ts';
import type { Attempt } from '../domain/image.ts';
import type { Clock } from '../ports/clock.ts';
import type { Provider } from '../ports/provider.ts';
import type { Run } from './job.ts';

/**
 * Fetches the picture that the answer of an attempt named by its URL. It is paid for, so a try that fails is repeated, with growing
 * gaps, until `until` (milliseconds since 1970): a file server may be late or down for a moment. Makes one try at least. A
 * cancellation during a wait is followed by one last try, a stop of the process by none: the URL is on record for the next start. Raises `ProviderError`:
 * `empty` where the URL stays dead, `cancelled` where the process stops.
 */
export type FetchAnnounced = (
  run: Run,
  provider: Pick<Provider, 'name' | 'download'>,
  attempt: Attempt,
  until: number,
) => Promise<Uint8Array>;

const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 15_000;
/** Time for a try that begins when there is hardly any left. */
const MIN_TRY_MS = 10_000;

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
    const abandon = AbortSignal.any([signals.discarded, signals.stopping]);
    const noFurtherTry = AbortSignal.any([signals.cancelled, signals.draining]);
    for (let tries = 1; ; tries += 1) {
      const timeoutMs = Math.max(MIN_TRY_MS, until - clock.now());
      try {
        return await provider.download(announced.url, { signal: abandon, timeoutMs });
      } catch (error) {
        if (!(error instanceof ProviderError) || error.fault === 'cancelled') throw error;
        const delayMs = nextDelay(tries, error.retryAfterMs);
        const { fault, message: reason } = error;
        if (fault === 'empty' || signals.cancelled.aborted || clock.now() + delayMs > until) {
          const detail = `${provider.name} answered with the URL of its picture, which could not be fetched: ${reason}`;
          throw new ProviderError('empty', detail, { httpStatus, providerRequestId });
        }
        log.warn({ attempt: attempt.id, tries, delayMs, reason }, 'the picture of this call could not be fetched yet');
        await clock.sleep(delayMs, noFurtherTry).catch(() => undefined);
        // A cancelled image gets one last try: nothing will ask for it again by itself.
        if (signals.draining.aborted || abandon.aborted) throw stoppedDuring(provider.name);
      }
    }
  };

  /** Exponential backoff with full jitter; a Retry-After is kept. */
  function nextDelay(tries: number, retryAfterMs: number | null): number {
    return retryAfterMs ?? Math.ceil(random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** (tries - 1)));
  }
}

function stoppedDuring(provider: string): ProviderError {
  return new ProviderError('cancelled', `the picture of ${provider} was not fetched: the work on it was stopped`);
}
