import { type Connection, isProxyError } from '../state/connection.ts';
import type { Session } from '../state/session.ts';
import { ServiceError } from './service-error.ts';
import type { Problem } from './types.ts';

export interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly query?: URLSearchParams;
  /** Sent as JSON, or as multipart where it is a form. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** True: resolves with a 401 too, instead of asking for a key. */
  readonly takesRefusal?: boolean;
}

/**
 * Sends one request to the API, below the page's own URL, so that the page works under any path prefix. Resolves with the answer, an
 * error's too. A 401 asks for a key and sends the request again. Raises `ServiceError` without a problem where no answer came, which
 * the connection then knows, and `AbortError` when `signal` fires, or the key is forgotten meanwhile.
 */
export type Send = (path: string, options?: RequestOptions) => Promise<Response>;

/** Milliseconds for the first byte of an answer to a reading. */
const READING_MS = 30_000;
/** Milliseconds for the first byte of any answer after the service was lost while it was waited for: the connection may be dead. */
const AFTER_LOSS_MS = 5000;

/** Creates the function that sends requests with the session's key. */
export function createSend(session: Session, connection: Connection): Send {
  return async (path, options = {}) => {
    const { method = 'GET', query, body, headers = {}, signal, takesRefusal = false } = options;
    const url = new URL(query === undefined || query.size === 0 ? path : `${path}?${query}`, document.baseURI);
    const isForm = body instanceof FormData;
    const forgotten = session.untilForgotten();
    const init = {
      method,
      // Keys are sent as Authorization only; no cookie, and a key in a URL would end up in logs.
      credentials: 'omit',
      cache: 'no-cache',
      ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
    } as const;
    const type: Record<string, string> = body === undefined || isForm ? {} : { 'content-type': 'application/json' };
    const ending = AbortSignal.any(signal === undefined ? [forgotten] : [forgotten, signal]);
    for (;;) {
      // While a key is asked for, none is known that would be taken.
      if (!takesRefusal) await session.whenAdmitted(ending);
      const { key } = session.get();
      const authorization: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
      const request = { ...init, headers: { ...type, ...headers, ...authorization } };
      const answer = await fetchAnswer(url, request, ending, connection);
      if (answer.status !== 401 || takesRefusal) return answer;
      await answer.body?.cancel();
      session.refuse(key);
    }
  };
}

async function fetchAnswer(
  url: URL,
  init: RequestInit,
  ending: AbortSignal,
  connection: Connection,
): Promise<Response> {
  const limit = limitWaiting(init.method === 'GET', connection);
  try {
    const answer = await fetch(url, { ...init, signal: AbortSignal.any([ending, limit.signal]) });
    if (isProxyError(answer)) throw new ServiceError(null);
    connection.noteAnswer();
    return answer;
  } catch {
    ending.throwIfAborted();
    connection.noteLoss();
    throw new ServiceError(null);
  } finally {
    limit.end();
  }
}

/** A signal that fires where no answer will come any more: see the limits above. An upload may take any time while the service is there. */
function limitWaiting(isReading: boolean, connection: Connection) {
  const controller = new AbortController();
  const timers: ReturnType<typeof setTimeout>[] = [];
  const giveUpAfter = (ms: number) => timers.push(setTimeout(() => controller.abort(), ms));
  if (isReading) giveUpAfter(READING_MS);
  const unsubscribe = connection.subscribe(() => {
    if (!connection.get().isLost) giveUpAfter(AFTER_LOSS_MS);
  });
  return {
    signal: controller.signal,
    end() {
      unsubscribe();
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

/** The JSON of an answer. Raises `ServiceError` for an error, and where the answer breaks off. */
export async function readJson<Value>(answer: Response): Promise<Value> {
  const body: unknown = await answer.json().catch((error: unknown) => {
    // Broken off on the way, or not of the service.
    throw error instanceof DOMException && error.name === 'AbortError' ? error : new ServiceError(null);
  });
  if (answer.ok) return body as Value;
  const isProblem = answer.headers.get('content-type')?.startsWith('application/problem+json') ?? false;
  const retryAfter = Number(answer.headers.get('retry-after') ?? Number.NaN);
  throw new ServiceError(isProblem ? (body as Problem) : null, Number.isFinite(retryAfter) ? retryAfter : null);
}
