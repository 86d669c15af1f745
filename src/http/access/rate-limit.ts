import fastifyRateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ANONYMOUS } from '../../core/domain/request.ts';
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
  }
}

const WINDOW_SECONDS = 60;

/** Registers the counters of @fastify/rate-limit. Call once, before `limitRates`. */
export async function prepareRateLimits(app: FastifyInstance): Promise<void> {
  await app.register(fastifyRateLimit, { global: false });
}

/**
 * Limits the requests per minute to the routes of `scope`, per API key or, without a key, per address (an IPv6 /64, which is
 * what one customer has). A request over the limit is refused as `rate_limited` before its body is read.
 *
 * Answers carry the headers of draft-ietf-httpapi-ratelimit-headers-10. @fastify/rate-limit writes those of draft 03, so only
 * its counters are used.
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
