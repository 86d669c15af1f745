import fastifyRateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from '../../api/problem.ts';
import { ANONYMOUS } from './auth.ts';

/** Most requests in a minute, of each kind; null for no limit. */
export interface RateLimits {
  /** Orders of pictures, also those that find the picture there. */
  readonly generate: number | null;
  /** Everything else that asks for a key. */
  readonly read: number | null;
  /** Pictures. */
  readonly media: number | null;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Which limit the route falls under, where it is not what the method says: `generate` for POST, `read` for the rest. */
    rateLimitedAs?: keyof RateLimits;
  }
}

const WINDOW_SECONDS = 60;

/** Call once, before `limitRates`: what the limits are counted with. */
export async function prepareRateLimits(app: FastifyInstance): Promise<void> {
  await app.register(fastifyRateLimit, { global: false });
}

/**
 * Holds the routes of `scope` to their limits: that many requests within a minute, of one key, else of one address (of IPv6 one
 * /64, which is what one customer has). What is over is refused as `rate_limited` before its body is read.
 *
 * Says so in the headers of draft-ietf-httpapi-ratelimit-headers-10; @fastify/rate-limit writes those of draft 03, so only its
 * counting is used.
 */
export function limitRates(scope: FastifyInstance, limits: RateLimits): void {
  const counters = Object.fromEntries(
    Object.entries(limits).flatMap(([name, max]: [string, number | null]) =>
      max === null
        ? []
        : [[name, scope.createRateLimit({ max, timeWindow: WINDOW_SECONDS * 1000, keyGenerator: rateLimitKey })]],
    ),
  );

  if (Object.keys(counters).length === 0) return;

  scope.addHook('onRequest', async (request, reply) => {
    const name = request.routeOptions.config.rateLimitedAs ?? (request.method === 'POST' ? 'generate' : 'read');
    const count = await counters[name]?.(request);
    if (count === undefined || count.isAllowed) return;
    reply
      .header('ratelimit-policy', `"${name}";q=${count.max};w=${WINDOW_SECONDS}`)
      .header('ratelimit', `"${name}";r=${count.remaining};t=${count.ttlInSeconds}`);
    if (!count.isExceeded) return;
    throw new ProblemError({
      code: 'rate_limited',
      detail: `at most ${count.max} requests of this kind a minute; nothing was accepted or paid`,
      retryAfter: count.ttlInSeconds,
    });
  });
}

function rateLimitKey({ caller, ip }: FastifyRequest): string {
  return caller === null || caller === ANONYMOUS ? normalizeIP(ip) : `key ${caller.name}`;
}
