import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { type ApiKey, parseKeys } from '../http/keys.ts';
import { allowedHostText } from '../outgoing/allow-list.ts';
import { count, list, seconds } from './setting-types.ts';

const perMinute = () => count(1, 1_000_000).optional();
const access = z.enum(['open', 'admin']).optional();

/** An origin as browsers send it: no path, no slash at the end. */
const origin = z
  .string()
  .refine(
    (text) => text === '*' || URL.parse(text)?.origin === text,
    'must be origins such as https://www.example.com',
  );

/** An address, a network or one of the names that stand for some; whoever is one of these is believed. */
const PROXY_NAMES = ['loopback', 'linklocal', 'uniquelocal'];
const proxies = z
  .string()
  .refine(
    (text) =>
      text === 'true' ||
      text === 'false' ||
      text.split(',').every((part) => {
        const proxy = part.trim();
        return PROXY_NAMES.includes(proxy) || ipaddr.isValid(proxy) || ipaddr.isValidCIDR(proxy);
      }),
    `must be true, false, or addresses and networks of proxies such as 10.0.0.0/8, or ${PROXY_NAMES.join(', ')}`,
  )
  .transform((text) => (text === 'true' ? true : text === 'false' ? false : text));

const keys = z.string().transform((text, context): readonly ApiKey[] => {
  const { keys, faults } = parseKeys(text);
  for (const message of faults) context.addIssue({ code: 'custom', message });
  return keys;
});

/** The settings of who may come in, how often, and where the service may go out. */
export const accessSettings = {
  API_KEYS: keys
    .optional()
    .describe(
      'Who may come in: `name:secret:scope+scope`, commas between, scopes `generate`, `read`, `admin`. The secret may be given as the hash that `easel keys create` prints. Default: everyone may do everything.',
    ),
  API_KEYS_FILE: z
    .string()
    .optional()
    .describe('The same from a file, one key a line, which is read again when it changes and at SIGHUP.'),
  MEDIA_ACCESS: z
    .enum(['public', 'private'])
    .default('public')
    .describe(
      'Who may fetch pictures: everyone, or whoever has a key with `read` or the signed, expiring URL of the record.',
    ),
  MEDIA_URL_SECRET: z
    .string()
    .min(32, 'must have 32 characters or more')
    .optional()
    .describe('Signs the URLs of private pictures. Default: made at the first start, and kept beside the database.'),
  MEDIA_URL_SECONDS: seconds(60, 604_800)
    .default(3600)
    .describe('How long a signed URL holds at least, and at most twice.'),
  METRICS_ACCESS: access.describe(
    '`open`, or `admin`: for keys with that scope. Default: open on loopback, else `admin`.',
  ),
  DOCS_ACCESS: access.describe('The same for `/docs` and `/openapi.json`.'),
  RATE_LIMIT_PER_MINUTE: perMinute().describe(
    'Most generations that one key, or without keys one address, may ask for in a minute. Default: no limit.',
  ),
  RATE_LIMIT_READ_PER_MINUTE: perMinute().describe('The same for all other calls but pictures. Default: no limit.'),
  RATE_LIMIT_MEDIA_PER_MINUTE: perMinute().describe('The same for pictures, always by address. Default: no limit.'),
  TRUST_PROXY: proxies
    .default(false)
    .describe(
      "Whose `X-Forwarded-*` headers to believe: the proxies' addresses and networks, commas between; `true` believes everyone, which is right only where nobody passes by the proxy.",
    ),
  CORS_ORIGINS: list(origin)
    .optional()
    .describe('Web pages that may call from browsers: origins, commas between. Default: none.'),
  FETCH_ALLOW_HOSTS: list(allowedHostText)
    .optional()
    .describe(
      "Hosts, `host` or `host:port`, commas between, from which pictures are fetched though they are not public. A provider's own host is always allowed.",
    ),
} as const;
