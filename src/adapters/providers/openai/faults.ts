import { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import { ProviderError, type ProviderFault } from '../../../core/domain/errors.ts';
import { parseRetryAfter } from '../retry-after.ts';
import { wasNeverSent, wasTooLarge } from '../transport.ts';

export interface FaultContext {
  readonly name: string;
  readonly apiKey: string | null;
  readonly now: number;
  readonly cancelled: boolean;
  readonly timedOut: boolean;
}

/**
 * Turns whatever the SDK or the connection raised into the fault it stands for. The error itself is not kept as the cause:
 * causes are logged, and servers like to quote the key in what they answer.
 */
export function classifyFault(error: unknown, context: FaultContext): ProviderError {
  if (error instanceof ProviderError) return error;
  const { name, apiKey, now, cancelled, timedOut } = context;
  const fail = (
    fault: ProviderFault,
    detail: string,
    more: { httpStatus?: number; providerRequestId?: string | null; retryAfterMs?: number | null } = {},
  ) => new ProviderError(fault, redact(`${name} ${detail}`, apiKey), more);

  if (timedOut || error instanceof APIConnectionTimeoutError) return fail('timeout', 'gave no whole answer in time');
  if (cancelled || error instanceof APIUserAbortError) return fail('cancelled', 'was not waited for any longer');
  if (wasTooLarge(error)) return fail('empty', 'sent an answer that is too long to be a picture');
  if (error instanceof APIConnectionError || !(error instanceof APIError)) {
    if (wasNeverSent(error)) return fail('unreachable', `cannot be reached: ${rootMessage(error)}`);
    // A body that cannot be parsed came with a success; anything else broke on the way.
    if (error instanceof SyntaxError) return fail('empty', 'answered with broken JSON');
    return fail('interrupted', `broke the connection off: ${rootMessage(error)}`);
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

// -------------------------------------------------------------- the kind

const OVERLOADED: ReadonlySet<number> = new Set([408, 409]);
/** 402 and 407 are what proxies and resellers say. */
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

/** Codes and types of OpenAI, then of Azure: its filter has had a name for each generation of its API. */
const REFUSAL_CODES: ReadonlySet<string> = new Set([
  'moderation_blocked',
  'content_policy_violation',
  'image_generation_user_error',
  'content_filter',
  'contentFilter',
  'ResponsibleAIPolicyViolation',
]);

const RATE_CODES: ReadonlySet<string> = new Set(['rate_limit_exceeded', 'slow_down']);

/** An error's code and type, as far as it has them. */
type Codes = readonly (string | null | undefined)[];

/**
 * By status first, then by code: compatible servers keep to the statuses better than to the codes. Never by the message:
 * a blocked account is told of in words that sound like a refused prompt.
 */
function faultOf(status: number, codes: Codes): ProviderFault {
  if (status >= 500 || OVERLOADED.has(status)) return 'overloaded';
  if (includesAny(codes, ACCOUNT_CODES)) return 'account';
  if (status === 429) return 'rate_limited';
  if (includesAny(codes, REFUSAL_CODES)) return 'refused';
  return ACCOUNT_STATUSES.has(status) ? 'account' : 'rejected';
}

/** An error in the middle of a stream has no status. What it says to have been refused is not billed; else work was begun. */
function faultOfStreamError(codes: Codes): ProviderFault {
  if (includesAny(codes, REFUSAL_CODES)) return 'refused';
  if (includesAny(codes, ACCOUNT_CODES)) return 'account';
  if (includesAny(codes, RATE_CODES)) return 'rate_limited';
  return codes.includes('invalid_request_error') ? 'rejected' : 'interrupted';
}

function includesAny(codes: Codes, known: ReadonlySet<string>): boolean {
  return codes.some((code) => code != null && known.has(code));
}

// -------------------------------------------------------------- the body

/**
 * The same answer with its error in OpenAI's shape, `{error: {message, code, type, param}}`, which is the one that the SDK reads:
 * of a vLLM's `{detail}` and the like it would say that there was no body. Answers of success pass through untouched.
 */
export async function toOpenAIError(response: Response): Promise<Response> {
  if (response.ok) return response;
  // An error whose text does not arrive is still the error that its status says.
  const error = readError(await response.text().catch(() => ''));
  return new Response(JSON.stringify({ error }), { status: response.status, headers: response.headers });
}

interface ErrorBody {
  readonly message: string;
  readonly code: string | null;
  readonly type: string | null;
  readonly param: string | null;
}

/**
 * What an error's body says, whatever its shape: OpenAI's and Azure's `{error: {…}}`, `{error: "…"}`, vLLM's and FastAPI's
 * `{detail: "…"}` or `{detail: [{msg}]}`, the bare `{message, code}` of Azure's gateway and older vLLM, HTML, plain text.
 */
function readError(text: string): ErrorBody {
  const body = parse(text);
  if (body === null) return { ...NO_DETAILS, message: describePage(text) };
  const error = body.error ?? body.detail ?? body;
  if (!isObject(error)) return { ...NO_DETAILS, message: messageOf(error) };
  // Azure's inner code says which filter it was; the outer one may be no more than a status.
  const inner = error.inner_error ?? error.innererror;
  return {
    message: messageOf(error.message ?? error),
    code: (isObject(inner) ? codeText(inner.code) : null) ?? codeText(error.code),
    type: codeText(error.type),
    param: codeText(error.param),
  };
}

const NO_DETAILS = { code: null, type: null, param: null };

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A code as text: some servers repeat the status as a number. */
function codeText(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

function messageOf(value: unknown): string {
  if (typeof value === 'string') return value;
  // What FastAPI's validation finds: `[{loc: ["body", "size"], msg: "field required"}]`.
  if (Array.isArray(value) && value.every(isObject)) {
    return value.map(({ loc, msg }) => `${Array.isArray(loc) ? `${loc.join('.')}: ` : ''}${msg}`).join('; ');
  }
  return JSON.stringify(value);
}

/** Of a proxy's page the title, else the text itself. */
function describePage(text: string): string {
  if (text.trim() === '') return 'nothing more';
  if (!/^\s*<(!doctype|html|\?xml)/i.test(text)) return text;
  const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1]?.trim();
  return title ? `an HTML page, "${title}"` : 'an HTML page';
}

// -------------------------------------------------------------- the text

/** `429 the message (rate_limit_exceeded)`, one line, of bounded length. The SDK's message begins with the status. */
function describeApiError(error: APIError): string {
  const text = error.message.replaceAll(/\s+/g, ' ').slice(0, 300);
  return error.code && !text.includes(error.code) ? `${text} (${error.code})` : text;
}

function rootMessage(error: unknown): string {
  let message = 'unknown fault';
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    message = (cause as NodeJS.ErrnoException).code ?? (cause.message || message);
  return message;
}

/** Takes out the key itself, whatever looks like one of OpenAI's, and keys of which only the ends are shown. */
function redact(text: string, apiKey: string | null): string {
  const known = apiKey === null ? text : text.replaceAll(apiKey, '[key]');
  return known.replaceAll(/\bsk-[\w*-]{4,}|[\w-]*\*{4,}[\w-]*/g, '[key]');
}
