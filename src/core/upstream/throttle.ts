import { ProviderError, type ProviderFault } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { type Provider, wrapProvider } from '../ports/provider.ts';
import { createChangeSignal } from './change-signal.ts';

/** The operator's limits on calls to one provider; null for none. */
export interface ThrottleLimits {
  /** Calls at the same time. */
  readonly concurrency: number | null;
  /** Calls that may begin within any minute; a call makes one picture. */
  readonly perMinute: number | null;
}

/**
 * Client-side rate limiter for one provider: FIFO queue, concurrency limit, per-minute limit, pause on 429, slow start afterwards.
 * Calls wait here rather than be refused by the provider.
 */
export interface Throttle {
  /** Resolves to a slot when a call may begin; dispose of it when the call has ended. Rejects with the signal's reason. */
  acquire(signal: AbortSignal): Promise<Disposable>;
  /** Pauses all calls for this long, at most five minutes; a longer pause under way is kept. */
  pause(ms: number): void;
  /** Reports a picture, which widens the slow start. */
  succeeded(): void;
  /** Milliseconds until the pause ends; 0 without one. */
  pausedMs(): number;
}

const WINDOW_MS = 60_000;
/** Some servers ask for days or years; after this long one call finds out whether they still refuse. */
const MAX_PAUSE_MS = 5 * 60_000;

/**
 * Creates a throttle that is not paused. After a pause it starts slowly: one call first, then twice as many at once after each picture.
 * Otherwise all waiting calls would begin at the same moment (thundering herd), be refused and use up their retries.
 */
export function createThrottle({ concurrency, perMinute }: ThrottleLimits, clock: Clock): Throttle {
  const waiting: symbol[] = [];
  const change = createChangeSignal();
  let slowStartLimit = Number.POSITIVE_INFINITY;
  let active = 0;
  let pausedUntil = 0;
  let startTimes: number[] = [];

  function pausedMs(): number {
    return Math.max(0, pausedUntil - clock.monotonic());
  }

  /** Milliseconds until the next call may begin; infinite where another has to end first. */
  function waitMs(): number {
    const paused = pausedMs();
    if (paused > 0) return paused;
    if (active >= Math.min(slowStartLimit, concurrency ?? slowStartLimit)) return Number.POSITIVE_INFINITY;
    if (perMinute === null) return 0;
    const now = clock.monotonic();
    startTimes = startTimes.filter((time) => time > now - WINDOW_MS);
    const blocking = startTimes.at(-perMinute);
    return blocking === undefined ? 0 : blocking + WINDOW_MS - now;
  }

  return {
    pausedMs,
    async acquire(signal) {
      const ticket = Symbol();
      waiting.push(ticket);
      try {
        for (;;) {
          signal.throwIfAborted();
          const ms = waiting[0] === ticket ? waitMs() : Number.POSITIVE_INFINITY;
          if (ms === 0) break;
          const woken = AbortSignal.any([signal, change.next]);
          await clock.sleep(Math.min(ms, MAX_PAUSE_MS), woken).catch(() => undefined);
        }
        active += 1;
        if (perMinute !== null) startTimes.push(clock.monotonic());
      } finally {
        waiting.splice(waiting.indexOf(ticket), 1);
        change.fire();
      }
      return {
        [Symbol.dispose]() {
          active -= 1;
          change.fire();
        },
      };
    },
    pause(ms) {
      pausedUntil = clock.monotonic() + Math.min(Math.max(ms, pausedMs()), MAX_PAUSE_MS);
      slowStartLimit = 1;
    },
    succeeded() {
      slowStartLimit *= 2;
      change.fire();
    },
  };
}

/** Faults after which a `Retry-After` holds for every call to the provider. */
const BUSY: ReadonlySet<ProviderFault> = new Set(['rate_limited', 'overloaded', 'gateway']);

/** Wraps a provider so that its pictures, and the pauses that its answers ask for, reach the throttle. */
export function throttled(provider: Provider, throttle: Throttle): Provider {
  return wrapProvider(provider, {
    async generate(call, options) {
      try {
        const answer = await provider.generate(call, options);
        throttle.succeeded();
        if (answer.pauseMs !== null) throttle.pause(answer.pauseMs);
        return answer;
      } catch (error) {
        const isBusy = error instanceof ProviderError && BUSY.has(error.fault);
        if (isBusy && error.retryAfterMs !== null && error.retryAfterMs > 0) throttle.pause(error.retryAfterMs);
        throw error;
      }
    },
  });
}
