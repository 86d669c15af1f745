import { APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import { ProviderError, type ProviderErrorOptions, type ProviderFault } from '../../../core/domain/errors.ts';
import { type OmittableParameter, STREAMING_PARAMETERS } from '../../../core/domain/model.ts';
import { keepOutsideText, type MaskSecrets } from '../../../core/domain/text/outside-text.ts';
import { hidePrompt } from '../../../core/domain/text/quoted-prompt.ts';
import type { CallSignal } from '../call-signal.ts';
import { parseRetryAfter } from '../retry-after.ts';
import { wasNeverSent, wasTooLarge } from '../transport.ts';
import { AnswerError, type ErrorBody } from './answers/error-body.ts';
import { keepRequestId, readHeaders } from './answers/response.ts';

/** What is known about a call besides the error that ended it. */
interface FaultContext {
  /** The provider's name, with which each message begins. */
  readonly name: string;
  readonly maskSecrets: MaskSecrets;
  /** As it was sent, which is not logged; null where prompts may be. */
  readonly hiddenPrompt: string | null;
  /** Milliseconds since 1970; a `Retry-After` date counts from here. */
  readonly now: number;
  readonly endedBy: CallSignal['endedBy'];
  /** The successful response whose body was being read; null where none had begun. */
  readonly response: Response | null;
  /** What the request asked for; null for one that makes no picture. */
  readonly asked: AskedFor | null;
}

/** What of a request decides what its refusal means. */
interface AskedFor {
  readonly isEdit: boolean;
  /** Optional parameters, by their names on the wire. */
  readonly parameters: readonly string[];
}

/**
 * Maps any error of the SDK or the connection to a `ProviderError`. The original error is not kept as its cause: causes are
 * logged, and servers often quote the API key in their error messages.
 */
export function classifyFault(error: unknown, context: FaultContext): ProviderError {
  const { name, maskSecrets, hiddenPrompt, now, endedBy, response, asked } = context;
  const fail = (
    fault: ProviderFault,
    detail: string,
    more: Pick<ProviderErrorOptions, 'httpStatus' | 'providerRequestId' | 'retryAfterMs' | 'parameter'> = {},
  ) => {
    const message = `${name} ${detail}`;
    return new ProviderError(fault, message, {
      ...(response && readHeaders(response, now, maskSecrets)),
      ...more,
      reason: hiddenPrompt === null ? message : hidePrompt(message, hiddenPrompt),
    });
  };
  const mask: MaskSecrets = (text) => maskLookalikes(maskSecrets(text));
  /** Message and code on one line: `429 Too many requests (rate_limit_exceeded)`. */
  const describe = (message: string, code: string | null = null) => {
    const text = keepOutsideText(message, MAX_MESSAGE, mask);
    const shown = code === null ? '' : keepOutsideText(code, MAX_CODE, mask);
    return text.includes(shown) ? text : `${text} (${shown})`;
  };

  if (endedBy === 'timeout') return fail('timeout', 'did not send a complete response in time');
  if (endedBy === 'cancellation' || error instanceof APIUserAbortError) {
    return fail('cancelled', 'did not finish: the call was cancelled');
  }
  if (wasTooLarge(error)) return fail('empty', 'sent a response that is too long to be a picture');
  if (error instanceof AnswerError) {
    const { body, inStream } = error;
    const verb = inStream ? 'ended its stream with' : `answered ${response?.status} with an error`;
    const fault = faultOfAnswerError(error, asked);
    return fail(fault, `${verb}: ${describe(body.message, body.code)}`, {
      parameter: fault === 'parameter_refused' ? body.param : null,
      retryAfterMs: readRetryAfter(response?.headers, now),
    });
  }
  if (error instanceof APIError && typeof error.status === 'number') {
    const { status: httpStatus, headers } = error as APIError<number, Headers>;
    const body = error.error as ErrorBody;
    const fault = faultOf(httpStatus, body, asked);
    return fail(fault, `answered ${describe(error.message, body.code)}`, {
      httpStatus,
      parameter: fault === 'parameter_refused' ? body.param : null,
      providerRequestId: keepRequestId(error.requestID, maskSecrets),
      retryAfterMs: readRetryAfter(headers, now),
    });
  }
  // After the answers: an error of the SDK bears the code that the server sent, which may be one of Node's.
  // Before the timeout: the SDK takes a connection that could not be made in time for one.
  if (wasNeverSent(error)) return fail('unreachable', `cannot be reached: ${describe(rootMessage(error))}`);
  if (error instanceof APIConnectionTimeoutError) return fail('timeout', 'did not send a complete response in time');
  // A SyntaxError comes from parsing a successful response; after any other error here the response is incomplete.
  if (error instanceof SyntaxError) return fail('empty', 'answered with malformed JSON');
  return fail('interrupted', `did not complete its response: ${describe(rootMessage(error))}`);
}

/** Statuses below 500, besides 429, after which the same request may succeed: request timeout and conflict. */
const OVERLOADED_STATUSES: ReadonlySet<number> = new Set([408, 409]);
/** 402 and 407 come from proxies and resellers. */
const ACCOUNT_STATUSES: ReadonlySet<number> = new Set([401, 402, 403, 407]);
/** Bad gateway, gateway timeout, and Cloudflare's for an origin that timed out or was lost on the way. */
const GATEWAY_STATUSES: ReadonlySet<number> = new Set([502, 504, 522, 523, 524]);
/** Cloudflare's status for a server that refused its connection: the request never reached it. */
const SERVER_DOWN = 521;

/** A known code or type of an error. */
interface KnownCode {
  /** The status under which the API sends it. */
  readonly status: number;
  /** What it means beyond its status. */
  readonly fault?: 'account' | 'refused';
}

/**
 * Codes and types of errors (`insufficient_quota` is both): OpenAI's, then Azure's, whose content filter has another code in each
 * generation of its API.
 */
const KNOWN_CODES: ReadonlyMap<string, KnownCode> = new Map<string, KnownCode>([
  ['insufficient_quota', { status: 429, fault: 'account' }],
  ['credit_balance_exhausted', { status: 429, fault: 'account' }],
  ['billing_hard_limit_reached', { status: 400, fault: 'account' }],
  ['billing_limit_user_error', { status: 400, fault: 'account' }],
  ['billing_not_active', { status: 429, fault: 'account' }],
  ['account_deactivated', { status: 401, fault: 'account' }],
  ['invalid_api_key', { status: 401, fault: 'account' }],
  ['moderation_blocked', { status: 400, fault: 'refused' }],
  ['content_policy_violation', { status: 400, fault: 'refused' }],
  ['image_generation_user_error', { status: 400, fault: 'refused' }],
  ['rate_limit_exceeded', { status: 429 }],
  ['slow_down', { status: 429 }],
  ['model_not_found', { status: 404 }],
  ['unknown_parameter', { status: 400 }],
  ['invalid_value', { status: 400 }],
  ['invalid_request_error', { status: 400 }],
  ['server_is_overloaded', { status: 503 }],
  ['server_error', { status: 500 }],
  ['internal_error', { status: 500 }],
  ['content_filter', { status: 400, fault: 'refused' }],
  ['contentFilter', { status: 400, fault: 'refused' }],
  ['ResponsibleAIPolicyViolation', { status: 400, fault: 'refused' }],
  ['InternalServerError', { status: 500 }],
]);

/**
 * Decides by status first, then by code: compatible servers follow OpenAI's statuses more closely than its codes. Never
 * decides by the message: a blocked account's message reads like a refused prompt.
 */
function faultOf(status: number, body: ErrorBody, asked: AskedFor | null): ProviderFault {
  if (asked?.isEdit && refusesEdits(status, body)) return 'edits_refused';
  if (status >= 500) return faultOfServerError(status, body);
  if (OVERLOADED_STATUSES.has(status)) return 'overloaded';
  const faults = [body.code, body.type].map((code) => KNOWN_CODES.get(code ?? '')?.fault);
  if (faults.includes('account')) return 'account';
  if (status === 429) return 'rate_limited';
  if (faults.includes('refused')) return 'refused';
  if (asked !== null && refusesParameter(status, body, asked.parameters)) return 'parameter_refused';
  return ACCOUNT_STATUSES.has(status) ? 'account' : 'rejected';
}

/** The API's own error was not billed; a gateway's may have come after the model had begun. */
function faultOfServerError(status: number, { isOwn }: ErrorBody): ProviderFault {
  if (status === SERVER_DOWN) return 'overloaded';
  return GATEWAY_STATUSES.has(status) || !isOwn ? 'gateway' : 'overloaded';
}

/** Statuses with which a server answers at an address that it does not have. */
const NO_ENDPOINT_STATUSES: ReadonlySet<number> = new Set([404, 405, 501]);
/** Codes of a 404 that are about the model: OpenAI's, Azure's. */
const NO_MODEL_CODES: ReadonlySet<string | null> = new Set(['model_not_found', 'DeploymentNotFound']);

/** True where the server has no endpoint for edits, so that nothing was made. */
function refusesEdits(status: number, { code, param }: ErrorBody): boolean {
  return NO_ENDPOINT_STATUSES.has(status) && !NO_MODEL_CODES.has(code) && param !== 'model';
}

/** Parameters that make no other picture, which only a server that does not know them refuses for good. */
const DISPENSABLE: ReadonlySet<string> = new Set([
  'n',
  'output_format',
  'output_compression',
  'moderation',
  'safety_identifier',
] satisfies OmittableParameter[]);

/** True where the server names a parameter that was sent and can be left out as the one it does not accept. The message does not count. */
function refusesParameter(status: number, { code, param }: ErrorBody, sent: readonly string[]): boolean {
  if ((status !== 400 && status !== 422) || param === null || !sent.includes(param)) return false;
  return STREAMING_PARAMETERS.has(param) || (DISPENSABLE.has(param) && code === 'unknown_parameter');
}

/**
 * An error in the body of a successful response is handled as if it had been sent with its natural status; without one, the call may
 * have been billed. So it may after any error inside a stream that does not refuse the request: generation had begun.
 */
function faultOfAnswerError({ body, inStream }: AnswerError, asked: AskedFor | null): ProviderFault {
  const status = naturalStatus(body);
  const fault = status === null ? 'empty' : faultOf(status, body, asked);
  const mayHaveBegun = fault === 'empty' || fault === 'overloaded' || fault === 'gateway';
  return inStream && mayHaveBegun ? 'interrupted' : fault;
}

/** The status that the body names, by its code, as a number, or by its type; null where that is not known. */
function naturalStatus({ code, type, status }: ErrorBody): number | null {
  return KNOWN_CODES.get(code ?? '')?.status ?? status ?? KNOWN_CODES.get(type ?? '')?.status ?? null;
}

function readRetryAfter(headers: Headers | undefined, now: number): number | null {
  return parseRetryAfter((header) => headers?.get(header) ?? null, now);
}

/** What is kept of a message and of a code, in characters. */
const MAX_MESSAGE = 300;
const MAX_CODE = 100;

/** The code or message of the innermost cause. */
function rootMessage(error: unknown): string {
  let message = 'unknown error';
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    message = (cause as NodeJS.ErrnoException).code ?? (cause.message || message);
  return message;
}

/**
 * Replaces anything that looks like an OpenAI key, and keys masked with asterisks. The second expression begins at the start of a word
 * only: begun at each of its letters, it would take a time that grows with the square of the word's length.
 */
function maskLookalikes(text: string): string {
  return text.replaceAll(/\bsk-[\w*-]{4,}|(?<![\w-])[\w-]*\*{4,}[\w-]*/g, '[secret]');
}
