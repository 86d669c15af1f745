import type { IncomingHttpHeaders } from 'node:http';
import { OpenAiError } from './errors.ts';

/** How often the client has sent the call before, by `X-Stainless-Retry-Count`, which both official SDKs send; null without it. */
export function retryCountOf(headers: IncomingHttpHeaders): number | null {
  const given = headers['x-stainless-retry-count'];
  return typeof given === 'string' && /^\d{1,4}$/.test(given) ? Number(given) : null;
}

/** True for a request that may be a call sent again: one that says so, or that bears a key. */
export function mayComeAgain(headers: IncomingHttpHeaders): boolean {
  return (retryCountOf(headers) ?? 0) > 0 || headers['idempotency-key'] !== undefined;
}

/**
 * True for a call that can be recognised when it comes again, and that its client can send again. An upload that the official SDKs stream
 * (they name its boundary `openai-…`), or one without a Content-Length, may be read from its source only once.
 */
export function isRecognisable(headers: IncomingHttpHeaders): boolean {
  const saysSo = retryCountOf(headers) !== null || headers['idempotency-key'] !== undefined;
  const type = headers['content-type'] ?? '';
  if (!saysSo || !/^multipart\//i.test(type)) return saysSo;
  const isStreamed = /;\s*boundary="?openai-/i.test(type) || headers['content-length'] === undefined;
  return !isStreamed;
}

/** Pause of the first retry, in milliseconds. */
const SHORT_PAUSE_MS = 500;
/** Longest pause that is asked for: the SDKs obey up to 60 s, and a picture that is ready is not left waiting for longer than this. */
const LONGEST_PAUSE_MS = 30_000;

/**
 * The answer for a call that is not finished within `waitSeconds`, and that comes back by itself. The SDKs send a call three times by
 * default, so the second pause is long: it costs no connection, and the third wait then begins later.
 */
export function comeBack(retryCount: number, waitSeconds: number): OpenAiError {
  const pauseMs = retryCount === 0 ? SHORT_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, waitSeconds * 500);
  const message =
    'the picture is still being made; the same call again, with the same Idempotency-Key or a retry count, joins it and pays nothing';
  return new OpenAiError(
    503,
    { message, type: 'server_error', code: 'still_running', param: null },
    {
      'x-should-retry': 'true',
      'retry-after-ms': String(pauseMs),
      'retry-after': String(Math.max(1, Math.ceil(pauseMs / 1000))),
    },
  );
}

/**
 * The answer for a call that cannot be recognised when it comes again and whose wait is over. The status is one that clients do not
 * retry: a retry would be another call, which pays again.
 */
export function leftRunning(mediaId: string): OpenAiError {
  const message = `the picture is still being made, and goes on: GET /v1/images/tasks/${mediaId} has it later; another call pays again`;
  return new OpenAiError(
    422,
    { message, type: 'invalid_request_error', code: 'still_running', param: null },
    {
      'x-should-retry': 'false',
    },
  );
}
