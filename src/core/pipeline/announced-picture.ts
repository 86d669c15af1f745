import { ProviderError } from '../domain/errors.ts';
import type { Attempt } from '../domain/image.ts';
import type { Clock } from '../ports/clock.ts';
import type { Provider } from '../ports/provider.ts';
import type { Run } from './job.ts';

/**
 * Fetches the picture that the answer of an attempt named by its URL. It is paid for, so a try that fails is repeated, with growing
 * gaps, until `until` (milliseconds since 1970), and for ten seconds at least: a file server may be late or down for a moment. A
 * cancellation during a wait is followed by one last try, a stop of the process by none: the URL is on record, for the next run.
 * Raises `ProviderError`: `empty` where the URL stays dead, `cancelled` where the tries ended before their time.
 */
export type FetchAnnounced = (
  run: Run,
  provider: Pick<Provider, 'name' | 'download'>,
  attempt: Attempt,
  until: number,
) => Promise<Uint8Array>;

const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 15_000;
/** The shortest time for tries, also where the model has taken nearly all of the call's. */
const MIN_TIME_MS = 10_000;
/** The shortest time for one try. */
const MIN_TRY_MS = 5_000;

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
    const end = Math.max(until, clock.now() + MIN_TIME_MS);
    for (let tries = 1; ; tries += 1) {
      const leftMs = end - clock.now();
      try {
        // Half of the time at most: one try that hangs must not be the only one.
        const timeoutMs = Math.max(MIN_TRY_MS, leftMs / 2);
        return await provider.download(announced.url, { signal: abandon, timeoutMs });
      } catch (error) {
        if (!(error instanceof ProviderError) || error.fault === 'cancelled') throw error;
        const { fault, message: reason } = error;
        if (fault === 'empty' || leftMs <= 0) {
          const detail = `${provider.name} answered with the URL of its picture, which could not be fetched: ${reason}`;
          throw new ProviderError('empty', detail, { httpStatus, providerRequestId });
        }
        if (signals.cancelled.aborted) throw endedEarly(provider.name);
        const delayMs = nextDelay(tries, error.retryAfterMs, end - clock.now());
        log.warn({ attempt: attempt.id, tries, delayMs, reason }, 'the picture of this call could not be fetched yet');
        await clock.sleep(delayMs, noFurtherTry).catch(() => undefined);
        if (signals.draining.aborted || abandon.aborted) throw endedEarly(provider.name);
      }
    }
  };

  /** Exponential backoff with full jitter, or the server's Retry-After; within the time that is left, so that one more try follows. */
  function nextDelay(tries: number, retryAfterMs: number | null, leftMs: number): number {
    const delayMs = retryAfterMs ?? Math.ceil(random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** (tries - 1)));
    return Math.max(0, Math.min(delayMs, leftMs));
  }
}

function endedEarly(provider: string): ProviderError {
  return new ProviderError('cancelled', `the picture of ${provider} was not fetched: the work on it was stopped`);
}
