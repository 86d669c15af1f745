import { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import { ProviderError, type ProviderFault } from '../../../core/domain/errors.ts';
import { parseRetryAfter } from '../retry-after.ts';
import { wasNeverSent, wasTooLarge } from '../transport.ts';

/** What is known about a call besides the error that ended it. */
interface FaultContext {
  /** The provider's name, with which each message begins. */
  readonly name: string;
  /** Removed from every message; null where there is none. */
  readonly apiKey: string | null;
  /** Milliseconds since 1970; a `Retry-After` date counts from here. */
  readonly now: number;
  readonly cancelled: boolean;
  readonly timedOut: boolean;
}

/**
 * Maps any error of the SDK or the connection to a `ProviderError`. The original error is not kept as its cause: causes are
 * logged, and servers often quote the API key in their error messages.
 */
export function classifyFault(error: unknown, context: FaultContext): ProviderError {
  if (error instanceof ProviderError) return error;
  const { name, apiKey, now, cancelled, timedOut } = context;
  const fail = (
    fault: ProviderFault,
    detail: string,
    more: { httpStatus?: number; providerRequestId?: string | null; retryAfterMs?: number | null } = {},
  ) => new ProviderError(fault, redact(`${name} ${detail}`, apiKey), more);

  if (timedOut || error instanceof APIConnectionTimeoutError) {
    return fail('timeout', 'did not send a complete response in time');
  }
  if (cancelled || error instanceof APIUserAbortError) {
    return fail('cancelled', 'did not finish: the call was cancelled');
  }
  if (wasTooLarge(error)) return fail('empty', 'sent a response that is too long to be a picture');
  if (error instanceof APIConnectionError || !(error instanceof APIError)) {
    if (wasNeverSent(error)) return fail('unreachable', `cannot be reached: ${rootMessage(error)}`);
    // A SyntaxError comes from parsing a successful response; after any other error here the response is incomplete.
    if (error instanceof SyntaxError) return fail('empty', 'answered with malformed JSON');
    return fail('interrupted', `did not complete its response: ${rootMessage(error)}`);
  }
  const httpStatus = error.status as number | undefined;
  if (httpStatus === undefined) {
    return fail(faultOfStreamError([error.code, error.type]), `ended its stream with: ${describeApiError(error)}`);
  }
  const headers = error.headers as Headers | undefined;
  return fail(faultOf(httpStatus, [error.code, error.type]), `answered ${describeApiError(error)}`, {
    httpStatus,
    providerRequestId: error.requestID ?? null,
    retryAfterMs: parseRetryAfter((header) => headers?.get(header) ?? null, now),
  });
}

/** An error's code and type, as far as it has them. */
type Codes = readonly (string | null | undefined)[];

/** Statuses below 500, besides 429, after which the same request may succeed: request timeout and conflict. */
const OVERLOADED_STATUSES: ReadonlySet<number> = new Set([408, 409]);
/** 402 and 407 come from proxies and resellers. */
const ACCOUNT_STATUSES: ReadonlySet<number> = new Set([401, 402, 403, 407]);

/** Codes and types of OpenAI (`insufficient_quota` is both). */
const ACCOUNT_CODES: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'credit_balance_exhausted',
  'billing_hard_limit_reached',
  'billing_limit_user_error',
  'billing_not_active',
  'account_deactivated',
  'invalid_api_key',
]);

/** Codes and types of OpenAI, then of Azure, whose content filter has another code in each generation of its API. */
const REFUSAL_CODES: ReadonlySet<string> = new Set([
  'moderation_blocked',
  'content_policy_violation',
  'image_generation_user_error',
  'content_filter',
  'contentFilter',
  'ResponsibleAIPolicyViolation',
]);

const RATE_CODES: ReadonlySet<string> = new Set(['rate_limit_exceeded', 'slow_down']);

/**
 * Decides by status first, then by code: compatible servers follow OpenAI's statuses more closely than its codes. Never
 * decides by the message: a blocked account's message reads like a refused prompt.
 */
function faultOf(status: number, codes: Codes): ProviderFault {
  if (status >= 500 || OVERLOADED_STATUSES.has(status)) return 'overloaded';
  if (includesAny(codes, ACCOUNT_CODES)) return 'account';
  if (status === 429) return 'rate_limited';
  if (includesAny(codes, REFUSAL_CODES)) return 'refused';
  return ACCOUNT_STATUSES.has(status) ? 'account' : 'rejected';
}

/**
 * An error event inside a stream has no status, so its code decides. Errors that refuse the request are not billed; after any
 * other one, generation had begun and may be billed.
 */
function faultOfStreamError(codes: Codes): ProviderFault {
  if (includesAny(codes, REFUSAL_CODES)) return 'refused';
  if (includesAny(codes, ACCOUNT_CODES)) return 'account';
  if (includesAny(codes, RATE_CODES)) return 'rate_limited';
  return codes.includes('invalid_request_error') ? 'rejected' : 'interrupted';
}

function includesAny(codes: Codes, known: ReadonlySet<string>): boolean {
  return codes.some((code) => code != null && known.has(code));
}

/**
 * Status, message and code on one line: `429 Too many requests (rate_limit_exceeded)`. The SDK's message begins with the status and is
 * cut at 300 characters.
 */
function describeApiError(error: APIError): string {
  const text = error.message.replaceAll(/\s+/g, ' ').slice(0, 300);
  return error.code && !text.includes(error.code) ? `${text} (${error.code})` : text;
}

/** The code or message of the innermost cause. */
function rootMessage(error: unknown): string {
  let message = 'unknown error';
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    message = (cause as NodeJS.ErrnoException).code ?? (cause.message || message);
  return message;
}

/** Replaces the API key, anything that looks like an OpenAI key, and keys masked with asterisks. */
function redact(text: string, apiKey: string | null): string {
  const known = apiKey === null ? text : text.replaceAll(apiKey, '[key]');
  return known.replaceAll(/\bsk-[\w*-]{4,}|[\w-]*\*{4,}[\w-]*/g, '[key]');
}
