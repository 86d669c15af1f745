import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import type { ImageGenerateParamsNonStreaming, ImagesResponse } from 'openai/resources/images';
import { ProviderError, type ProviderFault } from '../images/errors.ts';
import { formatSize } from '../images/image.ts';
import type {
  Clock,
  GeneratedPicture,
  GenerationCall,
  GenerationOptions,
  Provider,
  TokenUsage,
} from '../images/ports.ts';
import { type Catalog, unlistedModel } from './catalog.ts';
import { PARTIAL_IMAGES, readStreamedAnswer, refusesStreaming } from './openai-stream.ts';
import { parseRetryAfter } from './retry-after.ts';
import { type Transport, wasNeverSent, wasTooLarge } from './transport.ts';

export interface OpenAIProviderOptions {
  readonly name: string;
  readonly apiKey: string;
  /** Null for OpenAI's own. */
  readonly baseURL: string | null;
  /** The model this provider is configured for; it may be one that the catalog does not list. */
  readonly model: string;
  readonly catalog: Catalog;
  /** For one call, from the first byte sent to the last byte received. */
  readonly timeoutMs: number;
  readonly transport: Transport;
  readonly clock: Clock;
}

/**
 * OpenAI's image API, or any server that speaks its dialect, through the official SDK. Each `generate` is exactly one call,
 * but for the first that a server refuses because it does not stream: that one is made again without.
 */
export function createOpenAIProvider(options: OpenAIProviderOptions): Provider {
  const { name, apiKey, catalog, timeoutMs, transport, clock } = options;
  const client = new OpenAI({
    apiKey,
    baseURL: options.baseURL,
    maxRetries: 0,
    timeout: timeoutMs,
    fetch: transport.fetch,
    logLevel: 'off',
  });

  let streams = true;

  /** The answer, parsed, and its head. */
  async function ask(call: GenerationCall, { onPartial }: GenerationOptions, signal: AbortSignal) {
    if (onPartial && call.model.streams && streams) {
      try {
        const response = await client.images
          .generate({ ...parameters(call), stream: true, partial_images: PARTIAL_IMAGES }, { signal })
          .asResponse();
        const answer = await readStreamedAnswer(response, client, (base64, index) => {
          const bytes = decodeBase64(base64);
          if (bytes !== null) onPartial(bytes, index);
        });
        return { answer, httpStatus: response.status, providerRequestId: response.headers.get('x-request-id') };
      } catch (error) {
        if (!refusesStreaming(error)) throw error;
        // That somebody looks on must not decide whether there will be a picture.
        streams = false;
      }
    }
    const { data, response, request_id } = await client.images.generate(parameters(call), { signal }).withResponse();
    return { answer: data as unknown, httpStatus: response.status, providerRequestId: request_id };
  }

  return {
    name,
    model: (id) => catalog.get(id) ?? (id === options.model ? unlistedModel(id) : null),

    async generate(call, options): Promise<GeneratedPicture> {
      const { signal } = options;
      // The SDK's own timeout ends with the headers; this one also covers the body.
      const attempt = abortable(signal, timeoutMs);
      try {
        const { answer, httpStatus, providerRequestId } = await ask(call, options, attempt.signal);
        const picture = firstPicture(answer, httpStatus, providerRequestId);
        const bytes =
          picture.b64_json === undefined
            ? await download(picture.url, transport, attempt.signal)
            : decodeBase64(picture.b64_json);
        if (bytes === null || bytes.length === 0) {
          throw new ProviderError('empty', `${name} answered ${httpStatus} without a readable picture`, {
            httpStatus,
            providerRequestId,
          });
        }
        return {
          bytes,
          revisedPrompt: picture.revised_prompt ?? null,
          usage: readUsage(answer),
          httpStatus,
          providerRequestId,
        };
      } catch (error) {
        throw classify(error, {
          name,
          apiKey,
          now: clock.now(),
          cancelled: signal.aborted,
          timedOut: attempt.timedOut(),
        });
      } finally {
        attempt.end();
      }
    },
  };
}

function parameters(call: GenerationCall): ImageGenerateParamsNonStreaming {
  return {
    model: call.model.id,
    prompt: call.prompt,
    size: formatSize(call.size),
    n: 1,
    // The SDK's types list the qualities and styles it knew when it was built; the catalog is what decides here.
    ...(call.quality !== null && { quality: call.quality as ImageGenerateParamsNonStreaming['quality'] & string }),
    ...(call.style !== null && { style: call.style as 'vivid' | 'natural' }),
    ...(call.background !== null && { background: call.background }),
    ...(call.format !== null && { output_format: call.format }),
  };
}

interface AnsweredPicture {
  readonly b64_json?: string;
  readonly url?: string;
  readonly revised_prompt?: string;
}

/** The answer's first picture; servers that only resemble the dialect send all sorts of other things with a 200. */
function firstPicture(answer: unknown, httpStatus: number, providerRequestId: string | null): AnsweredPicture {
  const data = typeof answer === 'object' && answer !== null && 'data' in answer ? answer.data : null;
  const picture: unknown = Array.isArray(data) ? data[0] : null;
  if (typeof picture === 'object' && picture !== null) {
    const { b64_json, url, revised_prompt } = picture as Record<string, unknown>;
    return {
      ...(typeof b64_json === 'string' && { b64_json }),
      ...(typeof url === 'string' && { url }),
      ...(typeof revised_prompt === 'string' && { revised_prompt }),
    };
  }
  throw new ProviderError('empty', `the answer of success (${httpStatus}) holds no picture`, {
    httpStatus,
    providerRequestId,
  });
}

/** The bytes, or null for text that is not base64 (a data URL's head and line breaks are forgiven). */
function decodeBase64(text: string): Uint8Array | null {
  const body = text.startsWith('data:') ? text.slice(text.indexOf(',') + 1) : text;
  for (const candidate of [body, body.replaceAll(/\s+/g, '')]) {
    // Buffer skips what is not base64, so only a decoding of the full length had none of it.
    const bytes = Buffer.from(candidate, 'base64');
    const digits = candidate.endsWith('==')
      ? candidate.length - 2
      : candidate.endsWith('=')
        ? candidate.length - 1
        : candidate.length;
    if (digits % 4 !== 1 && bytes.length === Math.floor((digits * 3) / 4)) return bytes;
  }
  return null;
}

/** Fetches a picture that the answer only names. Null for whatever is not a plain success. */
async function download(
  url: string | undefined,
  transport: Transport,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  if (url === undefined || !/^https?:\/\//i.test(url)) return null;
  try {
    const response = await transport.fetch(url, { signal, redirect: 'error' });
    return response.ok ? new Uint8Array(await response.arrayBuffer()) : null;
  } catch (error) {
    if (signal.aborted) throw error;
    return null;
  }
}

function readUsage(answer: unknown): TokenUsage | null {
  const { usage } = answer as Partial<ImagesResponse>;
  if (!usage || !Number.isFinite(usage.output_tokens)) return null;
  const details = usage.input_tokens_details as
    | { text_tokens?: number; image_tokens?: number; cached_tokens?: number }
    | undefined;
  const imageInput = details?.image_tokens ?? 0;
  return {
    textInput: details?.text_tokens ?? Math.max(0, (usage.input_tokens ?? 0) - imageInput),
    cachedTextInput: details?.cached_tokens ?? 0,
    imageInput,
    output: usage.output_tokens,
  };
}

/** A signal that fires with the outer one or after `ms`, and knows which it was. */
function abortable(outer: AbortSignal, ms: number) {
  const controller = new AbortController();
  let expired = false;
  const abort = () => controller.abort(outer.reason);
  const timer = setTimeout(() => {
    expired = true;
    controller.abort(new Error(`no whole answer within ${ms / 1000} s`));
  }, ms);
  outer.addEventListener('abort', abort, { once: true });
  if (outer.aborted) abort();
  return {
    signal: controller.signal,
    timedOut: () => expired,
    end() {
      clearTimeout(timer);
      outer.removeEventListener('abort', abort);
    },
  };
}

interface Circumstances {
  readonly name: string;
  readonly apiKey: string;
  readonly now: number;
  readonly cancelled: boolean;
  readonly timedOut: boolean;
}

/**
 * Turns whatever the SDK or the connection raised into the fault it stands for. The error itself is not kept as the cause:
 * causes are logged, and servers like to quote the key in what they answer.
 */
function classify(error: unknown, { name, apiKey, now, cancelled, timedOut }: Circumstances): ProviderError {
  if (error instanceof ProviderError) return error;
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
    return fail(faultOfEvent(error.code ?? '', error.type ?? ''), `ended its stream with: ${describe(error)}`);
  }
  const headers = error.headers as Headers | undefined;
  return fail(faultOf(httpStatus, error.code ?? '', error.type ?? ''), `answered ${describe(error)}`, {
    httpStatus,
    providerRequestId: error.requestID ?? null,
    retryAfterMs: parseRetryAfter((header) => headers?.get(header) ?? null, now),
  });
}

const REFUSALS = new Set([
  'moderation_blocked',
  'content_policy_violation',
  'image_generation_user_error',
  'content_filter',
]);
const ACCOUNT_FAULTS = new Set([
  'insufficient_quota',
  'credit_balance_exhausted',
  'billing_hard_limit_reached',
  'invalid_api_key',
]);

/** By status first, then by code: compatible servers keep to the statuses better than to the codes. */
function faultOf(status: number, code: string, type: string): ProviderFault {
  if (status >= 500 || status === 408 || status === 409) return 'overloaded';
  if (ACCOUNT_FAULTS.has(code) || ACCOUNT_FAULTS.has(type)) return 'account';
  if (status === 429) return 'rate_limited';
  if (REFUSALS.has(code) || REFUSALS.has(type)) return 'refused';
  if (status === 401 || status === 403) return 'account';
  return 'rejected';
}

/** An error in the middle of a stream has no status. What it says to have been refused is not billed; else work was begun. */
function faultOfEvent(code: string, type: string): ProviderFault {
  if (REFUSALS.has(code) || REFUSALS.has(type)) return 'refused';
  if (ACCOUNT_FAULTS.has(code) || ACCOUNT_FAULTS.has(type)) return 'account';
  if (code === 'rate_limit_exceeded' || code === 'slow_down') return 'rate_limited';
  return type === 'invalid_request_error' ? 'rejected' : 'interrupted';
}

/** `429 rate_limit_exceeded: the message`, one line, of bounded length. The SDK's message begins with the status. */
function describe(error: APIError): string {
  const text = error.message.replaceAll(/\s+/g, ' ').slice(0, 300);
  return error.code && !text.includes(error.code) ? `${text} (${error.code})` : text;
}

function rootMessage(error: unknown): string {
  let message = 'unknown fault';
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    message = (cause as NodeJS.ErrnoException).code ?? (cause.message || message);
  return message;
}

function redact(text: string, apiKey: string): string {
  return text.replaceAll(apiKey, '[key]').replaceAll(/\bsk-[\w*-]{4,}/g, '[key]');
}
