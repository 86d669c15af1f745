/**
 * SSRF guard: the only way to fetch a URL that a caller or a provider chose. Such a URL may aim at what only this machine can reach,
 * so addresses that are not public are refused unless the operator allows them.
 */

import { lookup as resolve } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import type { Dispatcher, request } from 'undici';
import { specialKind } from './address.ts';
import { type AllowedHost, defaultPort, isAllowed } from './allow-list.ts';
import { describeRefusal } from './literal-address.ts';

/** A bounded `fetch`: one request, one answer. Redirects are returned, not followed. Credentials in the URL are sent as Basic. */
export interface GuardedFetch {
  /**
   * Raises `RefusedAddressError` for an address that is not allowed, the signal's reason when `signal` fires, a `TimeoutError`
   * (DOMException) when the answer is not complete after `timeoutMs`, and undici's errors when the connection fails.
   */
  fetch(url: string, options: GuardedRequest): Promise<GuardedResponse>;
  /** Destroys all connections; requests in flight fail. */
  close(): Promise<void>;
}

interface GuardedRequest {
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Milliseconds for the whole exchange, from the name lookup to the last byte; null where `signal` is the only limit. */
  readonly timeoutMs: number | null;
  /** Most bytes of the body that are read; a longer one is cut off there. Null for none: one that breaks off or never ends is no fault. */
  readonly maxBytes: number | null;
  /** Called with the number of bytes of each piece of a body that is read; what it raises ends the request and is raised. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal;
}

interface GuardedResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
  /** False when the body was longer than `maxBytes`, or was not to be read. */
  readonly complete: boolean;
}

/** The address is refused: nothing was sent, no connection was made. The message may be shown to callers. */
export class RefusedAddressError extends Error {
  override readonly name = 'RefusedAddressError';
}

export interface GuardOptions {
  /** Hosts that are reached at any address, public or not. */
  readonly allow: readonly AllowedHost[];
  /** Resolves a name to its addresses; by default as the operating system does. */
  readonly lookup?: LookupFunction;
  /** The kind of an address that is not public, or null for a public one; by default `specialKind`. */
  readonly special?: (address: string) => string | null;
}

/** A server that has not accepted the connection by then counts as down. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * A `fetch` that reaches public addresses and the hosts in `allow`, nothing else. It is safe against DNS rebinding: a name is looked up
 * once, and the connection goes to the address that was checked. Every request has its own connection, and so its own check.
 */
export function createGuardedFetch(options: GuardOptions): GuardedFetch {
  let opening: Promise<Undici> | null = null;
  let isClosed = false;
  const open = () => {
    opening ??= openUndici(options);
    return opening;
  };

  return {
    async fetch(url, { method, headers = {}, body, timeoutMs, maxBytes, onBytes, signal }) {
      if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
        throw new RefusedAddressError('only http and https URLs are fetched');
      }
      const timeout = timeoutMs === null ? null : AbortSignal.timeout(timeoutMs);
      const { request, dispatcher } = await open();
      // It may have been loading when it was closed.
      if (isClosed) await dispatcher.destroy();
      const answer = await request(url, {
        method,
        headers: { 'accept-encoding': 'identity', ...basicOf(url), ...headers },
        body: body ?? null,
        signal: AbortSignal.any([signal, timeout].filter((end) => end != null)),
        dispatcher,
      });
      const { statusCode: status, headers: received } = answer;
      if (maxBytes !== null)
        return { status, headers: received, ...(await readAtMost(answer.body, maxBytes, onBytes)) };
      await discard(answer.body);
      return { status, headers: received, body: new Uint8Array(), complete: false };
    },
    async close() {
      isClosed = true;
      await (await opening)?.dispatcher.destroy();
    },
  };
}

interface Undici {
  readonly request: typeof request;
  /** Connects to what is allowed, and to nothing else. */
  readonly dispatcher: Dispatcher;
}

/** Loads undici with the first request: it is the slowest of all libraries to load, and many services never send one from this thread. */
async function openUndici({ allow, lookup = resolve, special = specialKind }: GuardOptions): Promise<Undici> {
  const { Agent, buildConnector, request } = await import('undici');
  const connection = { timeout: CONNECT_TIMEOUT_MS, allowH2: false };
  const connectAnywhere = buildConnector({ ...connection, lookup });
  const connectToPublic = buildConnector({ ...connection, lookup: publicOnly(lookup, special) });
  const dispatcher = new Agent({
    // No keep-alive.
    pipelining: 0,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect(options, callback) {
      const { protocol, port } = options;
      const hostname = options.hostname.replace(/^\[|\]$/g, '');
      const host = {
        hostname: isIP(hostname) === 6 ? `[${hostname}]` : hostname,
        port: Number(port) || defaultPort(protocol),
      };
      if (isAllowed(allow, host)) return connectAnywhere(options, callback);
      // A name is checked at its lookup; a literal address has no lookup, so it is checked here.
      const kind = isIP(hostname) === 0 ? null : special(hostname);
      return kind === null ? connectToPublic(options, callback) : callback(refused(hostname, kind), null);
    },
  });
  return { request, dispatcher };
}

/** A lookup that fails with `RefusedAddressError` unless all addresses of the name are public. */
function publicOnly(lookup: LookupFunction, special: (address: string) => string | null): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found, family) => {
      if (error) return callback(error, [], 0);
      const addresses = typeof found === 'string' ? [{ address: found, family: family ?? isIP(found) }] : found;
      const kind = addresses.map(({ address }) => special(address)).find((one) => one !== null);
      if (kind !== undefined) return callback(refused(hostname, kind), [], 0);
      const [first] = addresses;
      if (options.all || first === undefined) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function refused(hostname: string, kind: string): RefusedAddressError {
  return new RefusedAddressError(describeRefusal(hostname, kind));
}

/** The `Authorization` of the user and the password in a URL (RFC 7617, in UTF-8); undici would leave them out. */
function basicOf(url: string): { readonly authorization?: string } {
  const { username, password } = new URL(url);
  if (username === '' && password === '') return {};
  const credentials = `${percentDecoded(username)}:${percentDecoded(password)}`;
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A percent sign that begins no escape stands for itself.
    return text;
  }
}

/** How much of a body is waited for that is not read: a server may log an error for a client that leaves before the end. */
const DISCARDED_BYTES = 16 * 1024;
const DISCARD_MS = 250;

async function discard(body: Readable): Promise<void> {
  const timer = setTimeout(() => body.destroy(), DISCARD_MS);
  await readAtMost(body, DISCARDED_BYTES).catch(() => undefined);
  clearTimeout(timer);
}

async function readAtMost(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  onBytes?: (bytes: number) => void,
): Promise<{ body: Uint8Array; complete: boolean }> {
  const chunks: Uint8Array[] = [];
  let left = maxBytes;
  for await (const chunk of body) {
    onBytes?.(chunk.length);
    chunks.push(chunk.subarray(0, left));
    left -= chunk.length;
    // Leaving the loop destroys the body, and with it the connection.
    if (left < 0) return { body: Buffer.concat(chunks), complete: false };
  }
  return { body: Buffer.concat(chunks), complete: true };
}
