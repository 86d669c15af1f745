/** Sends requests: where to, with which key, and again where that is safe. */

import type { EaselOptions } from './easel.ts';
import { EaselError, errorOf, unexpectedAnswer, unreachable } from './errors.ts';
import { type Limit, setTimer, sleep } from './limit.ts';

/** A request. */
export interface Call {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below the base URL, with a slash at its start and the query at its end; or a whole URL. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, or as multipart where it is a form. */
  readonly body?: unknown;
  /** Whether it may be sent again: it changes nothing, or nothing more when it comes twice. Default: GET. */
  readonly isRepeatable?: boolean;
  /**
   * Whether it waits for a picture: when the service has had the request and is then away, the request is sent again for as long as an
   * outage is survived. It must be repeatable.
   */
  readonly outlivesOutage?: boolean;
  /** Whether a 404 to a request that was sent again means that it was obeyed the first time. */
  readonly isDoneWhenGone?: boolean;
  /** Breaks off a body that the caller reads after the call has ended. */
  readonly bodySignal?: AbortSignal | undefined;
  /** Milliseconds in which the answer must have come; 60 s by default. */
  readonly answerMs?: number;
}

/** An answer that is ok. Its body can be read until it is closed. */
export interface Answer {
  /** Where it was asked for. */
  readonly url: string;
  readonly response: Response;
  /** Call when the answer has come as far as `answerMs` is for. */
  stopClock(): void;
  /** Breaks off what has not been read. */
  close(reason?: Error): void;
}

/** Sends requests to one service, and again what is repeatable. */
export interface Sending {
  readonly maxRetries: number;
  /** Sends a request and resolves with the answer's headers. Raises `EaselError` for any other answer than 2xx, and for none. */
  request(call: Call, limit: Limit): Promise<Answer>;
  /** The same for the answer's JSON, undefined for 204. */
  json<T>(call: Call, limit: Limit): Promise<T>;
}

/** Milliseconds for an answer that is not waited for. */
const ANSWER_MS = 60_000;
/** The gaps before a request is sent again double from the first to the longest, each a random part shorter. */
const FIRST_GAP_MS = 500;
const LONGEST_GAP_MS = 8000;
/** Milliseconds for which a service that was there may be away, for each of `maxRetries`: a restart is survived. */
export const OUTAGE_MS = 30_000;
/** A try that was out for this long had reached the service: what cannot be reached is refused sooner, or costs one outage. */
const REACHED_MS = 1000;
/** What Node says of a connection that stood and was lost. Other runtimes say nothing. */
const LOST_CONNECTION: readonly unknown[] = ['ECONNRESET', 'UND_ERR_SOCKET'];
/** Longest `Retry-After` that is waited out. */
const LONGEST_RETRY_AFTER_SECONDS = 60;

/** Creates what sends requests. Raises `TypeError` for options that cannot be right. */
export function createSending(options: EaselOptions): Sending {
  const base = readBaseUrl(options.baseUrl);
  const apiKey = readKey(options.apiKey);
  const { maxRetries = 2 } = options;
  if (!Number.isInteger(maxRetries) || maxRetries < 0) {
    throw new TypeError(`maxRetries must be a whole number from 0; it is ${maxRetries}`);
  }
  // Called without an object before it: browsers and edge runtimes refuse it otherwise.
  const send = options.fetch ?? ((url: string, init: RequestInit) => fetch(url, init));

  const open = async (call: Call, limit: Limit): Promise<Answer> => {
    const { method = 'GET', path, body, bodySignal, answerMs = ANSWER_MS } = call;
    const url = /^https?:/i.test(path) ? path : `${base.href}${path}`;
    const headers = new Headers(call.headers);
    if (!headers.has('accept')) headers.set('accept', 'application/json');
    if (apiKey !== null && new URL(url).origin === base.origin) headers.set('authorization', `Bearer ${apiKey}`);
    const isForm = body instanceof FormData;
    if (body !== undefined && !isForm) headers.set('content-type', 'application/json');
    const payload = isForm ? body : JSON.stringify(body);

    limit.signal.throwIfAborted();
    const ending = new AbortController();
    const abort = () => ending.abort(limit.signal.reason);
    limit.signal.addEventListener('abort', abort, { once: true });
    const late = () => ending.abort(new Error(`no answer within ${Math.round(answerMs / 1000)} s`));
    const timer = setTimer(late, answerMs);
    const stopClock = () => clearTimeout(timer);
    const close = (reason?: Error) => {
      stopClock();
      limit.signal.removeEventListener('abort', abort);
      ending.abort(reason);
    };
    try {
      // The platform lets go of a signal that outlives the body; a listener of ours would stay.
      const signal = bodySignal === undefined ? ending.signal : AbortSignal.any([ending.signal, bodySignal]);
      // A plain object, since another fetch than the platform's may not know the platform's class.
      const init: RequestInit = { method, headers: Object.fromEntries(headers), signal };
      const response = await send(url, body === undefined ? init : { ...init, body: payload ?? null });
      if (response.ok) return { url, response, stopClock, close };
      throw errorOf(response, await response.text());
    } catch (error) {
      close();
      throw noAnswer(error, url, limit);
    }
  };

  /** Calls `attempt` again as long as what it raises is a reason to. */
  const repeat = async <T>(call: Call, limit: Limit, attempt: () => Promise<T>): Promise<T> => {
    const { isRepeatable = (call.method ?? 'GET') === 'GET', isDoneWhenGone = false, outlivesOutage = false } = call;
    let awaySince: number | null = null;
    for (let retries = 0; ; retries++) {
      const startedAt = performance.now();
      try {
        return await attempt();
      } catch (error) {
        const isGone = error instanceof EaselError && error.code === 'not_found';
        if (isDoneWhenGone && retries > 0 && isGone) return undefined as T;
        const now = performance.now();
        if (outlivesOutage && isLoss(error, now - startedAt)) awaySince ??= now;
        const isAway = awaySince !== null && now - awaySince < OUTAGE_MS * maxRetries;
        const mayRepeat = isAway || (isRepeatable && retries < maxRetries);
        const gapMs = mayRepeat ? gapAfter(error, retries, isAway) : null;
        // A wait that outlasts the call would end in an error that says less.
        if (gapMs === null || gapMs >= limit.remainingMs()) throw error;
        await sleep(gapMs, limit.signal);
      }
    }
  };

  return {
    maxRetries,
    request: (call, limit) => repeat(call, limit, () => open(call, limit)),
    json: (call, limit) =>
      repeat(call, limit, async () => {
        const { url, response, close } = await open(call, limit);
        try {
          return await readJson(response);
        } catch (error) {
          throw noAnswer(error, url, limit);
        } finally {
          close();
        }
      }),
  };
}

/** Reads the JSON of an answer; undefined for 204. */
async function readJson<T>(response: Response): Promise<T> {
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  try {
    return JSON.parse(text) as T;
  } catch {
    throw unexpectedAnswer(response, 'its body is no JSON');
  }
}

/** What to raise where an answer did not come, or not to its end: `AbortError` where the call was ended. */
export function noAnswer(error: unknown, url: string, { signal }: Limit): unknown {
  if (signal.aborted) return signal.reason;
  return error instanceof EaselError ? error : unreachable(url, error);
}

/** True where a request that the service has had, or a proxy before it, ended without the service's answer. */
function isLoss(error: unknown, tookMs: number): boolean {
  if (!(error instanceof EaselError)) return false;
  if (error.code === 'unexpected_answer') return isGatewayPage(error) && tookMs >= REACHED_MS;
  if (error.code !== 'unreachable') return false;
  const { cause } = error.cause instanceof Error ? error.cause : {};
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  return tookMs >= REACHED_MS || LOST_CONNECTION.includes(code);
}

/** True for what a proxy says while the service behind it is away. */
function isGatewayPage({ code, status }: EaselError): boolean {
  return code === 'unexpected_answer' && (status === 502 || status === 503 || status === 504);
}

/**
 * Milliseconds after which a request that ended with `error` is sent again; null for not at all. `isAway`: the service was there, and its
 * return is waited for.
 */
function gapAfter(error: unknown, retries: number, isAway: boolean): number | null {
  if (!(error instanceof EaselError)) return null;
  const { code, status, retryAfter } = error;
  if (retryAfter !== undefined && retryAfter > LONGEST_RETRY_AFTER_SECONDS) return null;
  const isBusy = status === 429 || status === 503 || status === 504;
  if (isBusy && retryAfter !== undefined) return retryAfter * 1000 + jitter(FIRST_GAP_MS);
  const passes = code === 'unreachable' || status === 408 || status === 429 || (isAway && isGatewayPage(error));
  return passes ? jitter(Math.min(FIRST_GAP_MS * 2 ** retries, LONGEST_GAP_MS)) : null;
}

/** A random time from half of `ms` to all of it. */
export function jitter(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}

/** The base URL without a slash at its end, a query or a fragment. */
function readBaseUrl(given: string | URL): { readonly href: string; readonly origin: string } {
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw new TypeError(`baseUrl must be a URL such as https://easel.example; it is ${JSON.stringify(given)}`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError(`baseUrl must begin with http:// or https://; it is ${url.href}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new TypeError('baseUrl must have no user and no password: the key goes into apiKey');
  }
  return { href: url.origin + url.pathname.replace(/\/+$/, ''), origin: url.origin };
}

/** The key; null for none. What cannot be in a header would look like a service that cannot be reached. */
function readKey(given: string | null | undefined): string | null {
  if (given === undefined || given === null || given === '') return null;
  if (!/^[\x21-\x7e]+$/.test(given)) throw new TypeError('apiKey must be visible ASCII characters alone');
  return given;
}
