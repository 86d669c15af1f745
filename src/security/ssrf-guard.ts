/**
 * The one way out to an address that a caller or a provider's answer names: such an address may be meant to reach what only
 * this machine can reach.
 */

import { lookup as resolve } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector, request } from 'undici';
import { specialKind } from './address.ts';
import { type AllowedHost, defaultPort, isAllowed } from './allow-list.ts';

/** Sends one request and reads its answer, within bounds. Redirects are answers like any other: they are not followed. */
export interface GuardedFetch {
  /**
   * Raises `RefusedAddressError` for an address that is not to be reached, the signal's reason when `signal` fires, a
   * `TimeoutError` (DOMException) when there is no whole answer after `timeoutMs`, and undici's errors for what breaks.
   */
  fetch(url: string, options: GuardedRequest): Promise<GuardedResponse>;
  close(): Promise<void>;
}

export interface GuardedRequest {
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** For everything, from the look-up of the name to the last byte. */
  readonly timeoutMs: number;
  /** Most of the answer's body that is read; what is longer is cut off. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

export interface GuardedResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
  /** False when the body was longer than `maxBytes`. */
  readonly complete: boolean;
}

/** The guard said no: nothing was sent, and no connection made. The message is fit for the caller. */
export class RefusedAddressError extends Error {
  override readonly name = 'RefusedAddressError';
}

export interface GuardOptions {
  /** Hosts that may be anywhere. */
  readonly allow: readonly AllowedHost[];
  /** Finds the addresses of a name; the operating system's way unless told. */
  readonly lookup?: LookupFunction;
  /** What makes an address one that is not to be reached, or null. */
  readonly special?: (address: string) => string | null;
}

/** A server that takes longer than this to accept a connection is as good as down. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * A `fetch` that reaches public addresses and the hosts in `allow`, and nothing else. A name is looked up once, and the
 * connection goes to the very address that was checked, so that a name cannot change in between. Each request has a connection
 * of its own.
 */
export function createGuardedFetch({ allow, lookup = resolve, special = specialKind }: GuardOptions): GuardedFetch {
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
      // A name is checked when it is looked up; an address is not looked up.
      const kind = isIP(hostname) === 0 ? null : special(hostname);
      return kind === null ? connectToPublic(options, callback) : callback(refused(hostname, kind), null);
    },
  });

  return {
    async fetch(url, { method, headers = {}, body, timeoutMs, maxBytes, signal }) {
      if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
        throw new RefusedAddressError('only http and https URLs are fetched');
      }
      const timeout = AbortSignal.timeout(timeoutMs);
      const answer = await request(url, {
        method,
        headers: { 'accept-encoding': 'identity', ...headers },
        body: body ?? null,
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        dispatcher,
      });
      return { status: answer.statusCode, headers: answer.headers, ...(await readAtMost(answer.body, maxBytes)) };
    },
    close: () => dispatcher.destroy(),
  };
}

/** A look-up that gives the addresses of a name only when all of them are public. */
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
  return new RefusedAddressError(
    `${hostname} has an address that is not public (${kind}), and is not on the list of allowed hosts`,
  );
}

async function readAtMost(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<{ body: Uint8Array; complete: boolean }> {
  const chunks: Uint8Array[] = [];
  let left = maxBytes;
  for await (const chunk of body) {
    chunks.push(chunk.subarray(0, left));
    left -= chunk.length;
    // Leaving the loop ends the connection.
    if (left < 0) return { body: Buffer.concat(chunks), complete: false };
  }
  return { body: Buffer.concat(chunks), complete: true };
}
