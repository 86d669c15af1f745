import fastifyCors from '@fastify/cors';
import fastifyHelmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';

/** Nothing that is answered is a page, unless its route says so. */
const NO_PAGE = ["default-src 'none'", "frame-ancestors 'none'"];

/** For pages made of files that are served here: nothing from elsewhere, no script inside the page, no frames. */
export const PAGE_POLICY = [
  ...NO_PAGE,
  "script-src 'self'",
  // Pages set styles on their elements, and pictures in their styles.
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** For pictures: a browser that shows one by itself makes a page around it, with styles of its own. */
export const PICTURE_POLICY = [...NO_PAGE, "style-src 'unsafe-inline'"].join('; ');

/** Tells browsers to do with each answer of `app` what it is meant for, and no more. */
export async function secureHeaders(app: FastifyInstance): Promise<void> {
  await app.register(fastifyHelmet, {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    // It speaks for the whole host and its subdomains: a word for whoever ends TLS there.
    strictTransportSecurity: false,
  });
}

/** Lets web pages of these origins (`*`: all) call `app` from browsers. Keys are headers, so no cookies are let in. */
export async function allowOrigins(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await app.register(fastifyCors, {
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST', 'DELETE'],
    allowedHeaders: [
      'authorization',
      'content-type',
      'idempotency-key',
      'last-event-id',
      'prefer',
      'x-api-key',
      'x-request-id',
    ],
    exposedHeaders: [
      'etag',
      'location',
      'preference-applied',
      'ratelimit',
      'ratelimit-policy',
      'retry-after',
      'x-request-id',
    ],
    maxAge: 600,
    strictPreflight: false,
  });
}
