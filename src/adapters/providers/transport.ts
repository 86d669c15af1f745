import { Agent, type RequestInit as UndiciRequestInit, fetch as undiciFetch } from 'undici';
import { NO_TRACING, type Tracer } from '../../core/ports/tracer.ts';

/** A server that takes longer than this to accept a connection is as good as down. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Raised while reading an answer that is longer than allowed. */
export class ResponseTooLargeError extends Error {
  override readonly name = 'ResponseTooLargeError';
}

/** `fetch` and its connections. */
export interface Transport {
  readonly fetch: typeof fetch;
  close(): Promise<void>;
}

export interface TransportOptions {
  readonly maxResponseBytes: number;
  /** Calls carry the `traceparent` of the span they are made in. */
  readonly tracer?: Tracer;
}

/**
 * A `fetch` for model APIs. It has no time limit between request and answer of its own (Node's gives up after 300 s, and good
 * pictures can take longer): the caller's signal is the one limit. An answer of more than `maxResponseBytes`, counted after
 * decompression, ends in `ResponseTooLargeError`.
 */
export function createTransport({ maxResponseBytes, tracer = NO_TRACING }: TransportOptions): Transport {
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: CONNECT_TIMEOUT_MS } });
  return {
    async fetch(input, init) {
      // Node's own fetch is undici's: the types are the same in all but name.
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

function limitBytes(limit: number): TransformStream<Uint8Array, Uint8Array> {
  let total = 0;
  return new TransformStream({
    transform(chunk, controller) {
      total += chunk.byteLength;
      if (total > limit) throw new ResponseTooLargeError(`the answer is longer than ${limit} bytes`);
      controller.enqueue(chunk);
    },
  });
}

/** How node names what went wrong before a connection stood, when nothing can have been sent. */
const NOT_SENT =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_\w+|CERT_\w+|\w*SELF_SIGNED\w*|UNABLE_TO_\w+|ERR_SSL_\w+)$/;

/** Whether the request is known never to have left, going by the error that `fetch` raised and its causes. */
export function wasNeverSent(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (syscall === 'connect' || (code !== undefined && NOT_SENT.test(code))) return true;
  }
  return false;
}

/** Whether the answer was cut off for its length, going by the error and its causes. */
export function wasTooLarge(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ResponseTooLargeError) return true;
  }
  return false;
}
