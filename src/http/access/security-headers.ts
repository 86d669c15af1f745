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

/** Tells browsers to do with each answer of `scope` what it is meant for, and no more. */
export async function secureHeaders(scope: FastifyInstance): Promise<void> {
  await scope.register(fastifyHelmet, {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    // It speaks for the whole host and its subdomains: a word for whoever ends TLS there.
    strictTransportSecurity: false,
  });
}

/** What `secureHeaders` says on every answer. */
const SECURITY_HEADERS = {
  'content-security-policy': NO_PAGE.join(';'),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'SAMEORIGIN',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
};

/** Does as `secureHeaders`, for answers that cost less than it takes @fastify/helmet to work out its headers for each. */
export function securePictures(scope: FastifyInstance): void {
  scope.addHook('onRequest', (_request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    done();
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
