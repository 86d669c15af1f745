/** Webhooks: whether a message is the service's (Standard Webhooks, https://www.standardwebhooks.com). */

import type { WebhookHeaders, WebhookMessage } from './easel.ts';

/** Why a message is not taken. Answer such a request with 400 or 401. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError';
}

const PREFIX = 'whsec_';
/** How old a message may be, and how far ahead the other clock: longer, and one that was overheard could be sent again. */
const TOLERANCE_SECONDS = 5 * 60;

/**
 * Resolves with the message, which the holder of `secret` has signed within the last 5 minutes. `body` is what came, byte for byte: a body
 * that was parsed and written again has another signature. Raises `WebhookError` for any other message, and `TypeError` for a secret that
 * is none.
 */
export async function verifyWebhook(
  body: string | ArrayBuffer | Uint8Array,
  headers: WebhookHeaders,
  secret: string,
): Promise<WebhookMessage> {
  if (typeof body !== 'string' && !(body instanceof ArrayBuffer) && !ArrayBuffer.isView(body)) {
    throw new TypeError('body must be what came, as a text or bytes: what was parsed has another signature');
  }
  const key = await readSecret(secret);
  const id = header(headers, 'webhook-id');
  const sentAt = header(headers, 'webhook-timestamp');
  const signatures = header(headers, 'webhook-signature');
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : new Uint8Array(body);

  const age = Math.floor(Date.now() / 1000) - Number(sentAt);
  if (!/^\d{1,12}$/.test(sentAt)) throw new WebhookError('webhook-timestamp must be a number of seconds since 1970');
  if (age > TOLERANCE_SECONDS) throw new WebhookError(`the message is too old: it was sent ${age} s ago`);
  if (age < -TOLERANCE_SECONDS) throw new WebhookError(`the message is from the future: it is sent in ${-age} s`);

  const signed = await new Blob([`${id}.${sentAt}.`, bytes]).arrayBuffer();
  for (const entry of signatures.split(' ')) {
    const [version, signature = ''] = entry.split(',', 2);
    const mac = version === 'v1' ? fromBase64(signature) : null;
    // It compares in a time that does not depend on where two signatures differ.
    if (mac === null || !(await crypto.subtle.verify('HMAC', key, mac, signed))) continue;
    return JSON.parse(new TextDecoder().decode(bytes)) as WebhookMessage;
  }
  throw new WebhookError('no signature of the message is made with this secret');
}

async function readSecret(secret: string) {
  // A variable that is not set comes here as undefined.
  const isSecret = typeof secret === 'string' && secret.startsWith(PREFIX);
  const bytes = isSecret ? fromBase64(secret.slice(PREFIX.length)) : null;
  if (bytes === null || bytes.length === 0) throw new TypeError('secret must be whsec_ and base64, as WEBHOOK_SECRET');
  return await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
}

/** The bytes of a base64 text; null for a text that is none. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

function header(headers: WebhookHeaders, name: string): string {
  const value = 'get' in headers && typeof headers.get === 'function' ? headers.get(name) : plainHeader(headers, name);
  if (value === null || value === '') throw new WebhookError(`the header ${name} is missing`);
  return value;
}

function plainHeader(headers: object, name: string): string | null {
  const entry = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  return (Array.isArray(entry) ? entry[0] : entry) ?? null;
}
