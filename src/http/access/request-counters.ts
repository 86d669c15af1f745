import type { FastifyBaseLogger } from 'fastify';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../core/ports/clock.ts';
import type { RequestCounters } from '../../core/ports/request-counters.ts';

/** Clients and limits that are counted, the latest ones; one that is forgotten begins a new window. */
const MAX_WINDOWS = 15_000;

/**
 * Counts in the memory of this process. The counters of @fastify/rate-limit go by the time of day: a clock that was set back an hour would
 * refuse a client for that hour.
 */
export function createLocalCounters(clock: Pick<Clock, 'monotonic'>): RequestCounters {
  const windows = new LRUCache<string, { current: number; readonly began: number }>({ max: MAX_WINDOWS });
  return {
    async count(client, windowMs) {
      const now = clock.monotonic();
      const known = windows.get(client);
      const window = known && now - known.began < windowMs ? known : { current: 0, began: now };
      window.current += 1;
      windows.set(client, window);
      return { current: window.current, ttl: window.began + windowMs - now };
    },
  };
}

/** Longest that a request waits to be counted, in milliseconds. */
const MAX_COUNT_MS = 1_000;
/** After a failure, how long requests are counted here before the shared counters are asked again. */
const RETRY_MS = 5_000;

/**
 * Counts over all processes. While the shared counters fail or do not answer within a second, each process counts by itself, from one, and
 * N processes then let N times as many requests pass: better than to refuse all, or to count none.
 */
export function withLocalFallback(
  shared: RequestCounters,
  local: RequestCounters,
  clock: Pick<Clock, 'monotonic' | 'sleep'>,
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>,
): RequestCounters {
  let failedAt: number | null = null;

  async function countShared(client: string, windowMs: number) {
    const counted = new AbortController();
    const late = clock.sleep(MAX_COUNT_MS, counted.signal).then(
      () => Promise.reject(new Error('there was no answer within a second')),
      () => new Promise<never>(() => {}),
    );
    try {
      return await Promise.race([shared.count(client, windowMs), late]);
    } finally {
      counted.abort();
    }
  }

  return {
    async count(client, windowMs) {
      if (failedAt !== null && clock.monotonic() - failedAt < RETRY_MS) return await local.count(client, windowMs);
      try {
        const count = await countShared(client, windowMs);
        if (failedAt !== null) log.info('requests are counted over all replicas again');
        failedAt = null;
        return count;
      } catch (error) {
        if (failedAt === null)
          log.warn(
            { reason: (error as Error).message },
            'each replica counts its own requests against the rate limits',
          );
        failedAt = clock.monotonic();
        return await local.count(client, windowMs);
      }
    },
  };
}
