import { Agent, type RequestInit as UndiciRequestInit, fetch as undiciFetch } from 'undici';
import { NO_TRACING, type Tracer } from '../../core/ports/tracer.ts';

/** A `fetch` with its own connection pool. */
export interface Transport {
  readonly fetch: typeof fetch;
  /** Aborts the requests in progress and closes the connections. */
  close(): Promise<void>;
}

interface TransportOptions {
  readonly maxResponseBytes: number;
  /** Requests carry the `traceparent` of the span they are made in. */
  readonly tracer?: Tracer;
}

/** A server that takes longer than this to accept a connection counts as unreachable. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * A `fetch` for model APIs. It has no time limit of its own between request and response (Node's fetch gives up after 300 s,
 * and high qualities can take longer): the caller's signal is the only limit. Reading a body of more than
 * `maxResponseBytes`, counted after decompression, raises an error that `wasTooLarge` recognises.
 */
export function createTransport({ maxResponseBytes, tracer = NO_TRACING }: TransportOptions): Transport {
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: CONNECT_TIMEOUT_MS } });
  return {
    async fetch(input, init) {
      // Node's global fetch is undici's, too; only the declared types differ.
      const request = {
        ...init,
        headers: withTraceparent(init?.headers, tracer),
        dispatcher,
      } as unknown as UndiciRequestInit;
      const response = await undiciFetch(String(input), request);
      const body = response.body?.pipeThrough(limitBytes(maxResponseBytes)) ?? null;
      return new Response(body as ReadableStream | null, {
        status: response.status,
        statusText: response.statusText,
        headers: [...response.headers],
      });
    },
    close: () => dispatcher.destroy(),
  };
}

function withTraceparent(headers: RequestInit['headers'], tracer: Tracer): RequestInit['headers'] {
  const traceparent = tracer.traceparent();
  if (traceparent === null) return headers;
  const all = new Headers(headers);
  all.set('traceparent', traceparent);
  return all;
}

/** Raised by the body of a response that is longer than allowed. */
class ResponseTooLargeError extends Error {
  override readonly name = 'ResponseTooLargeError';
}

function limitBytes(limit: number): TransformStream<Uint8Array, Uint8Array> {
  let total = 0;
  return new TransformStream({
    transform(chunk, controller) {
      total += chunk.byteLength;
      if (total > limit) throw new ResponseTooLargeError(`the response is longer than ${limit} bytes`);
      controller.enqueue(chunk);
    },
  });
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
