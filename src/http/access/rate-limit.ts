import fastifyRateLimit, {
  type FastifyRateLimitStore,
  type FastifyRateLimitStoreCtor,
  normalizeIP,
} from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { ANONYMOUS } from '../../core/domain/request.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { ProblemError } from '../protocol/problem.ts';

/** Most requests per minute and client, by kind; null for no limit. */
export interface RateLimits {
  /** Requests for images, also those that find an existing image. */
  readonly generate: number | null;
  /** Everything else that needs a key. */
  readonly read: number | null;
  /** Picture files. */
  readonly media: number | null;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The limit that the route counts towards. Default by the method: `generate` for POST, `read` for the rest. */
    rateLimitedAs?: keyof RateLimits;
    /** True for a request that the route counts itself, once it knows whether the request is one that was counted before. */
    countsItself?: (request: FastifyRequest) => boolean;
  }
}

const WINDOW_SECONDS = 60;

/** Clients whose requests are counted, the latest ones; one that is forgotten begins a new window. */
const MAX_CLIENTS = 5_000;

/** Registers @fastify/rate-limit. Call once, before `createRateLimiter`. */
export async function prepareRateLimits(app: FastifyInstance, clock: Pick<Clock, 'monotonic'>): Promise<void> {
  // The plugin calls it by `new`.
  const store = function Counters() {
    return createCounters(clock);
  } as unknown as FastifyRateLimitStoreCtor;
  await app.register(fastifyRateLimit, { global: false, store });
}

/** The plugin's own counters go by the time of day: a clock that was set back an hour would refuse a client for that hour. */
function createCounters(clock: Pick<Clock, 'monotonic'>): FastifyRateLimitStore {
  const windows = new LRUCache<string, { current: number; readonly began: number }>({ max: MAX_CLIENTS });
  return {
    incr(client: string, done: (error: null, result: { current: number; ttl: number }) => void, windowMs: number) {
      const now = clock.monotonic();
      const known = windows.get(client);
      const window = known && now - known.began < windowMs ? known : { current: 0, began: now };
      window.current += 1;
      windows.set(client, window);
      done(null, { current: window.current, ttl: window.began + windowMs - now });
    },
    child: () => createCounters(clock),
  };
}

/** Limits of the requests per minute, per API key or, without a key, per address (an IPv6 /64, which is what one customer has). */
export interface RateLimiter {
  /** Counts every request to the routes of `scope`, before its body is read. */
  guard(scope: FastifyInstance): void;
  /** Counts a request. Raises `rate_limited` for one over the limit. */
  readonly count: (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
}

/**
 * Creates the counters. Every scope that is guarded by the same limiter counts towards the same limits.
 *
 * Answers carry the headers of draft-ietf-httpapi-ratelimit-headers-10. @fastify/rate-limit writes those of draft 03, so only
 * its counters are used.
 */
export function createRateLimiter(app: FastifyInstance, limits: RateLimits): RateLimiter {
  const counters = Object.fromEntries(
    Object.entries(limits).flatMap(([name, max]: [string, number | null]) =>
      max === null
        ? []
        : [[name, app.createRateLimit({ max, timeWindow: WINDOW_SECONDS * 1000, keyGenerator: rateLimitKey })]],
    ),
  );

  async function count(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const name = request.routeOptions.config.rateLimitedAs ?? (request.method === 'POST' ? 'generate' : 'read');
    const taken = await counters[name]?.(request);
    if (taken === undefined || taken.isAllowed) return;
    reply
      .header('ratelimit-policy', `"${name}";q=${taken.max};w=${WINDOW_SECONDS}`)
      .header('ratelimit', `"${name}";r=${taken.remaining};t=${taken.ttlInSeconds}`);
    if (!taken.isExceeded) return;
    throw new ProblemError({
      code: 'rate_limited',
      detail: `at most ${taken.max} requests of this kind a minute; nothing was accepted or paid`,
      retryAfter: taken.ttlInSeconds,
    });
  }

  return {
    count,
    guard(scope) {
      if (Object.keys(counters).length === 0) return;
      scope.addHook('onRequest', async (request, reply) => {
        const { countsItself } = request.routeOptions.config;
        if (!countsItself?.(request)) await count(request, reply);
      });
    },
  };
}

function rateLimitKey({ caller, ip }: FastifyRequest): string {
  return caller === null || caller === ANONYMOUS ? normalizeIP(ip) : `key ${caller.name}`;
}
