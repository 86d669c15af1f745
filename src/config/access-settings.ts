/** Settings of access: who may call and how often, who may fetch pictures, and which hosts the service may fetch from. */

import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { type AllowedHost, allowedHostText } from '../security/allow-list.ts';
import { ACCESS_LEVELS, type Access, type ApiKey, parseKeys } from '../security/api-keys.ts';
import { choice, count, list, type SettingsOf, seconds, taking } from './setting-types.ts';

const perMinute = () => count(1, 1_000_000).optional();
const access = z
  .enum(ACCESS_LEVELS, {
    error: ({ input }) => (input === 'admin' ? 'admin is now written keyed' : 'must be open or keyed'),
  })
  .optional();

/** An origin as browsers send it, without a path or a trailing slash; or `*` for every origin. */
const origin = z
  .string()
  .refine(
    (text) => text === '*' || URL.parse(text)?.origin === text,
    'must be an origin such as https://www.example.com, without a path, or * for all',
  );

/** Names for ranges of addresses that Fastify's `trustProxy` knows. */
const PROXY_NAMES = ['loopback', 'linklocal', 'uniquelocal'];

/** Proxies whose `X-Forwarded-*` headers are trusted: all, none, or addresses, networks and range names. */
const proxies = z
  .string()
  .refine(
    (text) =>
      text === 'true' ||
      text === 'false' ||
      text.split(',').every((part) => {
        const proxy = part.trim();
        // `ipaddr.js` takes a number of hops, such as 1, for the address 0.0.0.1.
        const isWhole = isIP(proxy.replace(/\/.*/, '')) !== 0;
        return PROXY_NAMES.includes(proxy) || (isWhole && (isIP(proxy) !== 0 || ipaddr.isValidCIDR(proxy)));
      }),
    `must be true, false, or addresses and networks of proxies such as 10.0.0.0/8, or ${PROXY_NAMES.join(', ')}`,
  )
  .transform((text) => (text === 'true' ? true : text === 'false' ? false : text));

const keys = z.string().transform((text, context): readonly ApiKey[] => {
  const { keys, issues } = parseKeys(text);
  for (const message of issues) context.addIssue({ code: 'custom', message });
  return keys;
});

export const accessSettings = {
  API_KEYS: keys
    .optional()
    .describe(
      'API keys: `name:secret:scope+scope`, commas between, scopes `generate`, `read`, `read-all`, `metrics`, `admin`. Several may ' +
        'bear one name, each with scopes of its own; pictures belong to the name. The secret may ' +
        'be given as the hash that `easel keys create` prints. Default: none; every caller may do everything.',
    ),
  API_KEYS_FILE: z
    .string()
    .optional()
    .describe(
      'File of API keys, one a line, written as in `API_KEYS`. It is read again when it changes and at SIGHUP.',
    ),
  MEDIA_ACCESS: choice(['public', 'private'])
    .default('public')
    .describe(
      '`public`: anyone may fetch pictures. `private`: that takes a key with `read`, or the signed, expiring URL in the record.',
    ),
  MEDIA_URL_SECRET: taking('32 characters or more', z.string().min(32, 'must have 32 characters or more'))
    .optional()
    .describe(
      'Signs the URLs of private pictures. Default: made at the first start, and kept beside the database, or in that of PostgreSQL.',
    ),
  MEDIA_URL_SECONDS: seconds(60, 604_800)
    .default(3600)
    .describe('How long a signed URL stays valid at least; at most it is twice as long.'),
  METRICS_ACCESS: access.describe(
    '`open`, or `keyed`: for keys with `metrics` or `admin`. Default: open on loopback, else `keyed`.',
  ),
  DOCS_ACCESS: access.describe(
    '`/docs` and `/openapi.json`: `open`, or `keyed`: for every key, which a browser asks for as a password, under any user name. ' +
      'Default: open on loopback, else `keyed`.',
  ),
  PAGE: choice(['on', 'off'])
    .default('on')
    .describe(
      '`off`: no page at `/`. It needs no key and holds no data: it asks for a key, and calls the API with it.',
    ),
  RATE_LIMIT_PER_MINUTE: perMinute().describe(
    'Most generations that one key, or without keys one address, may ask for in a minute. Default: no limit.',
  ),
  RATE_LIMIT_READ_PER_MINUTE: perMinute().describe(
    'Most calls other than generations and pictures, counted likewise. Default: no limit.',
  ),
  RATE_LIMIT_MEDIA_PER_MINUTE: perMinute().describe(
    'Most pictures that one address may fetch in a minute. Default: no limit.',
  ),
  TRUST_PROXY: proxies
    .default(false)
    .describe(
      'Proxies whose `X-Forwarded-*` headers are trusted: addresses and networks, commas between; ' +
        '`true` trusts every sender, which is safe only if all requests come through the proxy.',
    ),
  CORS_ORIGINS: list(origin)
    .optional()
    .describe('Web pages that may call from browsers: origins, commas between. Default: none.'),
  FETCH_ALLOW_HOSTS: list(allowedHostText)
    .optional()
    .describe(
      'Hosts, `host` or `host:port`, commas between, from which pictures are fetched although their addresses are not public. ' +
        "A provider's own host is always allowed.",
    ),
} as const;

/** The access rules of the HTTP app. */
export interface HttpAccess {
  /** Fastify's `trustProxy`: true trusts every proxy; a string lists addresses and networks, separated by commas. */
  readonly trustProxy: boolean | string;
  readonly metricsAccess: Access;
  readonly docsAccess: Access;
  /** Whether there is a page at `/`. */
  readonly page: boolean;
  /** Requests per minute, by kind; null for no limit. */
  readonly rateLimits: {
    readonly generate: number | null;
    readonly read: number | null;
    readonly media: number | null;
  };
  /** Origins of web pages that may call from browsers; `*` for every origin. */
  readonly corsOrigins: readonly string[];
}

export interface AccessConfig {
  readonly keys: {
    /** Keys from the environment; they stay valid as long as the process runs. */
    readonly fixed: readonly ApiKey[];
    /** Path of the file with further keys; null for none. */
    readonly file: string | null;
    /** The keys in the file when the settings were read. */
    readonly fromFile: readonly ApiKey[];
  };
  /** The signed URLs of private pictures; null where pictures are public. */
  readonly links: {
    /** Null for one that is made at the first start, and kept with the database. */
    readonly secret: string | null;
    /** Shortest time that a URL stays valid; at most, it is twice as long. */
    readonly seconds: number;
  } | null;
  /** Fetching pictures that a provider's answer names by URL. */
  readonly fetch: {
    /** Hosts that may be fetched from although their addresses are not public. */
    readonly allowHosts: readonly AllowedHost[];
  };
}

type AccessSettings = SettingsOf<typeof accessSettings>;

/** Groups the settings of the HTTP app. `defaultAccess` applies to metrics and docs where their own setting is absent. */
export function httpAccess(settings: AccessSettings, defaultAccess: Access): HttpAccess {
  return {
    trustProxy: settings.TRUST_PROXY,
    metricsAccess: settings.METRICS_ACCESS ?? defaultAccess,
    docsAccess: settings.DOCS_ACCESS ?? defaultAccess,
    page: settings.PAGE === 'on',
    rateLimits: {
      generate: settings.RATE_LIMIT_PER_MINUTE ?? null,
      read: settings.RATE_LIMIT_READ_PER_MINUTE ?? null,
      media: settings.RATE_LIMIT_MEDIA_PER_MINUTE ?? null,
    },
    corsOrigins: settings.CORS_ORIGINS ?? [],
  };
}

/** Groups the other settings of access. `fromFile`: the keys in `API_KEYS_FILE`. */
export function accessConfig(settings: AccessSettings, fromFile: readonly ApiKey[]): AccessConfig {
  const links = {
    secret: settings.MEDIA_URL_SECRET ?? null,
    seconds: settings.MEDIA_URL_SECONDS,
  };
  return {
    keys: { fixed: settings.API_KEYS ?? [], file: settings.API_KEYS_FILE ?? null, fromFile },
    links: settings.MEDIA_ACCESS === 'public' ? null : links,
    fetch: { allowHosts: settings.FETCH_ALLOW_HOSTS ?? [] },
  };
}
