import { Agent, FormData as UndiciFormData, type RequestInit as UndiciRequestInit, fetch as undiciFetch } from 'undici';

/** A `fetch` with its own connection pool. */
export interface Transport {
  /** The body of its response is to be read with `read`. */
  readonly fetch: typeof fetch;
  /**
   * The body's chunks as they arrive; of a body of more than `maxResponseBytes`, counted after decompression, an error that `wasTooLarge`
   * recognises. Leaving the loop closes the connection.
   */
  read(body: AsyncIterable<Uint8Array> | null): AsyncGenerator<Uint8Array, void>;
  /** Aborts the requests in progress and closes the connections. */
  close(): Promise<void>;
}

interface TransportOptions {
  readonly maxResponseBytes: number;
  /** The `traceparent` that the request made now is to carry; null for none. */
  readonly traceparent?: () => string | null;
}

/** A server that takes longer than this to accept a connection counts as unreachable. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * A `fetch` for model APIs. It has no time limit of its own between request and response (Node's fetch gives up after 300 s,
 * and high qualities can take longer): the caller's signal is the only limit.
 */
export function createTransport({ maxResponseBytes, traceparent = () => null }: TransportOptions): Transport {
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: CONNECT_TIMEOUT_MS } });
  return {
    async fetch(input, init) {
      const headers = withTraceparent(init?.headers, traceparent());
      // Node's global fetch is undici's, too; only the declared types differ.
      const request = { ...init, ...withForm(init?.body), headers, dispatcher } as unknown as UndiciRequestInit;
      return (await undiciFetch(String(input), request)) as unknown as Response;
    },
    read: (body) => readWithin(maxResponseBytes, body),
    close: () => dispatcher.destroy(),
  };
}

function withTraceparent(headers: RequestInit['headers'], traceparent: string | null): RequestInit['headers'] {
  if (traceparent === null) return headers;
  const all = new Headers(headers);
  all.set('traceparent', traceparent);
  return all;
}

/** Undici recognises only forms of its own class: it would send Node's as the text `[object FormData]`. The files are not copied. */
function withForm(body: RequestInit['body']): { readonly body?: UndiciFormData } {
  if (!(body instanceof FormData)) return {};
  const form = new UndiciFormData();
  for (const [name, value] of body) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, value, value.name);
  }
  return { body: form };
}

/** Raised by the body of a response that is longer than allowed. */
class ResponseTooLargeError extends Error {
  override readonly name = 'ResponseTooLargeError';
}

async function* readWithin(
  limit: number,
  body: AsyncIterable<Uint8Array> | null,
): AsyncGenerator<Uint8Array, void, undefined> {
  let total = 0;
  for await (const chunk of body ?? []) {
    total += chunk.byteLength;
    if (total > limit) throw new ResponseTooLargeError(`the response is longer than ${limit} bytes`);
    yield chunk;
  }
}

/** Node's error codes for failures before the connection was established: name resolution, connecting, TLS. */
const NOT_SENT: readonly RegExp[] = [
  /^(ENOTFOUND|EAI_\w+)$/,
  /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT)$/,
  /^(ERR_TLS_\w+|ERR_SSL_\w+|CERT_\w+|\w*SELF_SIGNED\w*|UNABLE_TO_\w+)$/,
];

/** True when the error of `fetch`, or one of its causes, shows that the request was never sent. */
export function wasNeverSent(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    // Undici's words for a port that the fetch standard blocks.
    if (cause.message === 'bad port') return true;
    if (syscall === 'connect' || (code !== undefined && NOT_SENT.some((codes) => codes.test(code)))) return true;
  }
  return false;
}

/** True when the error, or one of its causes, says that the response exceeded `maxResponseBytes`. */
export function wasTooLarge(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ResponseTooLargeError) return true;
  }
  return false;
}
