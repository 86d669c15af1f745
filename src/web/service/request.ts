import type { Connection } from '../state/connection.ts';
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
}

/**
 * Sends one request to the API, below the page's own URL, so that the page works under any path prefix. Resolves with the answer, an
 * error's too. A 401 asks for a key and sends the request again. Raises `ServiceError` without a problem where no answer came, which
 * the connection then knows, and `AbortError` when `signal` fires.
 */
export type Send = (path: string, options?: RequestOptions) => Promise<Response>;

export function createSend(session: Session, connection: Connection): Send {
  return async (path, { method = 'GET', query, body, headers = {}, signal } = {}) => {
    const url = new URL(query === undefined || query.size === 0 ? path : `${path}?${query}`, document.baseURI);
    const isForm = body instanceof FormData;
    const init = {
      method,
      // Keys are sent as Authorization only; no cookie, and a key in a URL would end up in logs.
      credentials: 'omit',
      cache: 'no-cache',
      ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    } as const;
    const type: Record<string, string> = body === undefined || isForm ? {} : { 'content-type': 'application/json' };
    for (;;) {
      const { key } = session.get();
      const authorization: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
      const answer = await send(url, { ...init, headers: { ...type, ...headers, ...authorization } }, connection);
      if (answer.status !== 401) return answer;
      await answer.body?.cancel();
      await session.renew(key, signal);
    }
  };
}

async function send(url: URL, init: RequestInit, connection: Connection): Promise<Response> {
  try {
    const answer = await fetch(url, init);
    // A proxy's own answer: the service behind it is not there.
    if (answer.status >= 502 && answer.status <= 504 && !isProblem(answer)) throw new ServiceError(null);
    connection.noteAnswer();
    return answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    connection.noteLoss();
    throw error instanceof ServiceError ? error : new ServiceError(null);
  }
}

/** The JSON of an answer. Raises `ServiceError` for an error. */
export async function readJson<Value>(answer: Response): Promise<Value> {
  if (answer.ok) return (await answer.json()) as Value;
  if (!isProblem(answer)) throw new ServiceError(null);
  throw new ServiceError((await answer.json()) as Problem);
}

function isProblem(answer: Response): boolean {
  return answer.headers.get('content-type')?.startsWith('application/problem+json') ?? false;
}
