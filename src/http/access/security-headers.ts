import fastifyCors from '@fastify/cors';
import fastifyHelmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';

/** The directives of every content security policy; alone they are the policy of answers that are not pages. */
const NO_PAGE = ["default-src 'none'", "frame-ancestors 'none'"];

/** Content security policy of pages: only files from this origin, no inline scripts, no frames. */
export const PAGE_POLICY = [
  ...NO_PAGE,
  "script-src 'self'",
  // The pages set inline styles, and data URLs of pictures in style sheets.
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** Content security policy of pictures: a browser that opens one makes a page around it, with inline styles of its own. */
export const PICTURE_POLICY = [...NO_PAGE, "style-src 'unsafe-inline'"].join('; ');

/** Sets security headers on every answer of `scope`. */
export async function secureHeaders(scope: FastifyInstance): Promise<void> {
  await scope.register(fastifyHelmet, {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    // Off: HSTS applies to the whole host and its subdomains, and belongs to the proxy that terminates TLS.
    strictTransportSecurity: false,
  });
}

/** The headers that `secureHeaders` sets. */
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

/** Sets the headers of `secureHeaders` without @fastify/helmet, which takes more CPU per answer than sending a picture. */
export function securePictures(scope: FastifyInstance): void {
  scope.addHook('onRequest', (_request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    done();
  });
}

/** What the official SDKs of OpenAI send (`openai` 7.57.0, internal/detect-platform and client). */
const OPENAI_CLIENT_HEADERS = [
  'openai-organization',
  'openai-project',
  'x-stainless-arch',
  'x-stainless-custom-poll-interval',
  'x-stainless-lang',
  'x-stainless-os',
  'x-stainless-package-version',
  'x-stainless-poll-helper',
  'x-stainless-retry-count',
  'x-stainless-runtime',
  'x-stainless-runtime-version',
  'x-stainless-timeout',
];

/** CORS: lets web pages of these origins (`*`: all) call `app` from browsers. Without credentials, since keys are sent in headers. */
export async function allowOrigins(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await app.register(fastifyCors, {
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    allowedHeaders: [
      'authorization',
      'content-type',
      'idempotency-key',
      'if-match',
      'if-none-match',
      ...OPENAI_CLIENT_HEADERS,
      'last-event-id',
      'mcp-method',
      'mcp-name',
      'mcp-protocol-version',
      'prefer',
      'x-api-key',
      'x-easel-cancel-on-close',
      'x-request-id',
    ],
    exposedHeaders: [
      'etag',
      'location',
      'preference-applied',
      'ratelimit',
      'ratelimit-policy',
      'retry-after',
      'retry-after-ms',
      'x-easel-cost-usd',
      'x-easel-media-id',
      'x-easel-warnings',
      'x-request-id',
      'x-should-retry',
    ],
    maxAge: 600,
    strictPreflight: false,
  });
}
