import fastifyRateLimit, {
  type FastifyRateLimitStore,
  type FastifyRateLimitStoreCtor,
  normalizeIP,
} from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ANONYMOUS } from '../../core/domain/request.ts';
import type { RequestCounters } from '../../core/ports/request-counters.ts';
import { callerAddress } from '../in-process.ts';
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

/** Registers @fastify/rate-limit with these counters. Call once, before `createRateLimiter`. */
export async function prepareRateLimits(app: FastifyInstance, counters: RequestCounters): Promise<void> {
  const store: FastifyRateLimitStore = {
    incr(client, done, windowMs) {
      counters.count(client, windowMs).then(
        (count) => done(null, { ...count }),
        (error: Error) => done(error),
      );
    },
    // The name of the limit is part of the client's.
    child: () => store,
  };
  // The plugin calls it by `new`.
  const Store = function Counters() {
    return store;
  } as unknown as FastifyRateLimitStoreCtor;
  await app.register(fastifyRateLimit, { global: false, store: Store });
}

/** Limits of the requests per minute, per API key or, without a key, per address (an IPv6 /64, which is what one customer has). */
export interface RateLimiter {
  /** Counts every request to the routes of `scope`, before its body is read. */
  guard(scope: FastifyInstance): void;
  /** Counts a request. Raises `rate_limited` for one over the limit. */
  readonly count: (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
}

/**
 * Creates the limits. Every scope that is guarded by the same limiter counts towards the same limits.
 *
 * Answers carry the headers of draft-ietf-httpapi-ratelimit-headers-10. @fastify/rate-limit writes those of draft 03, so only
 * its counters are used.
 */
export function createRateLimiter(app: FastifyInstance, limits: RateLimits): RateLimiter {
  const counters = Object.fromEntries(
    Object.entries(limits).flatMap(([name, max]: [string, number | null]) => {
      if (max === null) return [];
      const keyGenerator = (request: FastifyRequest) => `${name} ${rateLimitKey(request)}`;
      return [[name, app.createRateLimit({ max, timeWindow: WINDOW_SECONDS * 1000, keyGenerator })]];
    }),
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

function rateLimitKey(request: FastifyRequest): string {
  const { caller } = request;
  return caller === null || caller === ANONYMOUS ? normalizeIP(callerAddress(request)) : `key ${caller.name}`;
}
