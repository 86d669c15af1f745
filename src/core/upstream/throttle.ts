import { ProviderError, type ProviderFault } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { type Provider, wrapProvider } from '../ports/provider.ts';
import { type CallLimits, MAX_PAUSE_MS, type SharedCallLimits } from '../ports/shared-call-limits.ts';
import { createChangeSignal } from './change-signal.ts';

/**
 * Client-side rate limiter for one provider: FIFO queue, concurrency limit, per-minute limit, pause on 429, slow start afterwards.
 * Calls wait here rather than be refused by the provider.
 *
 * With several processes the limits and the pauses hold over all of them. The queue and the slow start are each process's own: after a
 * pause, N processes begin with N calls, and of two that wait for one place either may get it.
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
  /** The pause that is under way, or was the last, in milliseconds since 1970; null where there was none. */
  lastPause(): { readonly from: number; readonly until: number } | null;
}

const WINDOW_MS = 60_000;

/**
 * Creates a throttle that is not paused. `shared` are the limits over all processes, where there are several; it is asked for a call whose
 * turn has come in this one. After a pause it starts slowly: one call first, then twice as many at once after each picture.
 * Otherwise all waiting calls would begin at the same moment (thundering herd), be refused and use up their retries.
 */
export function createThrottle(
  { concurrency, perMinute }: CallLimits,
  clock: Clock,
  shared: SharedCallLimits | null = null,
): Throttle {
  const waiting: symbol[] = [];
  const change = createChangeSignal();
  let slowStartLimit = Number.POSITIVE_INFINITY;
  let active = 0;
  let lastPause: { readonly from: number; readonly until: number } | null = null;
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

  function pauseHere(ms: number): void {
    const from = pausedMs() > 0 && lastPause !== null ? lastPause.from : clock.now();
    pausedUntil = clock.monotonic() + Math.min(Math.max(ms, pausedMs()), MAX_PAUSE_MS);
    lastPause = { from, until: clock.now() + pausedMs() };
    slowStartLimit = 1;
  }

  /** Asks the other processes for a place; resolves to the milliseconds to wait where there is none. */
  async function askOthers(others: SharedCallLimits, signal: AbortSignal): Promise<Disposable | number> {
    const turn = await others.tryBegin();
    if ('place' in turn) {
      // Meanwhile the caller may have left, or an answer have asked for a pause.
      if (!signal.aborted && waitMs() === 0) return turn.place;
      turn.place[Symbol.dispose]();
      return 0;
    }
    if (turn.pausedMs > pausedMs()) pauseHere(turn.pausedMs);
    return turn.waitMs;
  }

  shared?.onChange({
    freed: () => change.fire(),
    paused(ms) {
      if (ms > pausedMs()) pauseHere(ms);
    },
  });

  return {
    pausedMs,
    lastPause: () => lastPause,
    async acquire(signal) {
      const ticket = Symbol();
      let place: Disposable | null = null;
      waiting.push(ticket);
      try {
        for (;;) {
          signal.throwIfAborted();
          // Before the others are asked: a change meanwhile is a reason to ask again.
          const { next } = change;
          let ms = waiting[0] === ticket ? waitMs() : Number.POSITIVE_INFINITY;
          if (ms === 0) {
            if (shared === null) break;
            const answer = await askOthers(shared, signal);
            if (typeof answer === 'object') {
              place = answer;
              break;
            }
            ms = answer;
          }
          const woken = AbortSignal.any([signal, next]);
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
          place?.[Symbol.dispose]();
          change.fire();
        },
      };
    },
    pause(ms) {
      pauseHere(ms);
      shared?.pause(pausedMs());
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
