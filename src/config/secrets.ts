/** Which variables hold secrets, so that these can be masked wherever they appear. */

import { parseKeys } from '../security/api-keys.ts';
import { credentialsIn } from '../security/secret-mask.ts';

/** The secrets that are made at the first start, for webhooks and for signed URLs of pictures: files beside SQLite, rows of PostgreSQL. */
export const SECRET_FILES = ['webhook-secret', 'media-url-secret'] as const;
export type SecretName = (typeof SECRET_FILES)[number];

/** The key of a provider, also of one that `PROVIDERS` leaves out for now. */
const PROVIDER_KEY = /^(?:OPENAI_API_KEY|PROVIDER_[A-Z0-9_]+_API_KEY)$/;

/** Variables whose whole value is a secret. */
const PLAIN: ReadonlySet<string> = new Set([
  'MEDIA_URL_SECRET',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'PGPASSWORD',
]);

/** URLs that may hold a user and a password. */
const URLS = /^(?:DATABASE_URL|OTEL_EXPORTER_OTLP_(?:TRACES_)?ENDPOINT|(?:HTTPS?|ALL)_PROXY)$/i;

/** Lists of headers, `name=value` with commas between, that OpenTelemetry's exporter reads by itself; a collector's key is one. */
const HEADER_LISTS: ReadonlySet<string> = new Set(['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_TRACES_HEADERS']);

/** Every secret that the environment holds in plain text. Unused and malformed variables count: their text can appear as well. */
export function secretsIn(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(env).flatMap(([name, value = '']) => {
    if (PROVIDER_KEY.test(name) || PLAIN.has(name)) return [value];
    if (name === 'API_KEYS') return parseKeys(value).secrets;
    if (name === 'WEBHOOK_SECRET') return listed(value).flatMap((secret) => [secret, secret.replace(/^whsec_/, '')]);
    if (name === 'WEBHOOK_URLS') return listed(value).flatMap((entry) => credentialsIn(afterEquals(entry)));
    if (HEADER_LISTS.has(name)) return listed(value).flatMap((header) => tokensOf(afterEquals(header)));
    return URLS.test(name) ? credentialsIn(value) : [];
  });
}

function listed(text: string): readonly string[] {
  return text.split(',').map((part) => part.trim());
}

function afterEquals(text: string): string {
  return text.slice(text.indexOf('=') + 1);
}

/** A header's value, and its credentials without the scheme before them, as in `Bearer …`; both as they are sent. */
function tokensOf(value: string): readonly string[] {
  const sent = decodeURIComponentSafely(value).trim();
  return [value, sent, sent.slice(sent.lastIndexOf(' ') + 1)];
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
