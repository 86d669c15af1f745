import OpenAI, { AzureOpenAI, type ClientOptions } from 'openai';
import type { ImageGenerateParamsNonStreaming, ImagesResponse } from 'openai/resources/images';
import { ProviderError } from '../../../core/domain/errors.ts';
import { formatSize } from '../../../core/domain/geometry.ts';
import type { Model, OmittableParameter } from '../../../core/domain/model.ts';
import type { Clock } from '../../../core/ports/clock.ts';
import type {
  GeneratedPicture,
  GenerationCall,
  GenerationOptions,
  Provider,
  TokenUsage,
} from '../../../core/ports/provider.ts';
import type { GuardedFetch } from '../../../security/ssrf-guard.ts';
import type { Transport } from '../transport.ts';
import { decodeBase64 } from './base64.ts';
import { classifyFault, toOpenAIError } from './faults.ts';
import { decodeInlinePictures, inlinePicture } from './inline-pictures.ts';
import { parseRateLimit } from './rate-limit-headers.ts';
import { PARTIAL_IMAGES, readStreamedAnswer, refusesStreaming } from './stream.ts';

export interface OpenAIProviderOptions {
  readonly name: string;
  /** Null for a server that wants none. */
  readonly apiKey: string | null;
  /** Null for OpenAI's own. With `azureApiVersion` the resource's endpoint. */
  readonly baseURL: string | null;
  /** Set for Azure OpenAI, whose paths, key header and versions differ; a model's id is the deployment's name there. */
  readonly azureApiVersion: string | null;
  /** The row for a model id, or null where this provider cannot be asked for it. */
  readonly model: (id: string) => Model | null;
  /** What the server chokes on, by the dialect's own names. */
  readonly omit: readonly OmittableParameter[];
  /** See `Provider.commands`. */
  readonly controlSequences: readonly string[];
  /** For one call, from the first byte sent to the last byte received. */
  readonly timeoutMs: number;
  readonly transport: Transport;
  /** Fetches pictures that answers only name. */
  readonly guard: GuardedFetch;
  /** Longest picture that is fetched. */
  readonly maxPictureBytes: number;
  readonly clock: Clock;
}

/**
 * OpenAI's image API, or any server that speaks its dialect, through the official SDK. Each `generate` is exactly one call,
 * but for the first that a server refuses because it does not stream: that one is made again without.
 */
export function createOpenAIProvider(options: OpenAIProviderOptions): Provider {
  const { name, apiKey, timeoutMs, guard, maxPictureBytes, clock } = options;
  const client = createClient(options);

  let supportsStreaming = true;

  /** The answer, parsed, and the response that it came in. */
  async function requestPicture(call: GenerationCall, { onPartial }: GenerationOptions, signal: AbortSignal) {
    const body = toRequestBody(call, options.omit);
    const partialImages = Math.min(PARTIAL_IMAGES, call.model.partialImages);
    if (onPartial && partialImages > 0 && supportsStreaming) {
      try {
        const response = await client.images
          .generate({ ...body, stream: true, partial_images: partialImages }, { signal })
          .asResponse();
        const answer = await readStreamedAnswer(response, client, (base64, index) => {
          const bytes = decodeBase64(base64);
          if (bytes !== null) onPartial(bytes, index);
        });
        return { answer, response };
      } catch (error) {
        if (!refusesStreaming(error)) throw error;
        // That somebody looks on must not decide whether there will be a picture.
        supportsStreaming = false;
      }
    }
    const { data, response } = await client.images.generate(body, { signal }).withResponse();
    return { answer: data as unknown, response };
  }

  /** Fetches a picture that an answer names. Null for whatever is not a plain success, such as an address that the guard refuses. */
  async function download(url: string | undefined, signal: AbortSignal): Promise<Uint8Array | null> {
    if (url === undefined) return null;
    try {
      const answer = await guard.fetch(url, { method: 'GET', timeoutMs, maxBytes: maxPictureBytes, signal });
      return answer.status === 200 && answer.complete ? answer.body : null;
    } catch (error) {
      if (signal.aborted) throw error;
      return null;
    }
  }

  return {
    name,
    model: options.model,
    supportsSize: !options.omit.includes('size'),
    controlSequences: options.controlSequences,

    async generate(call, options): Promise<GeneratedPicture> {
      const { signal } = options;
      // The SDK's own timeout ends with the headers; this one also covers the body.
      const attempt = withTimeout(signal, timeoutMs);
      try {
        const { answer, response } = await requestPicture(call, options, attempt.signal);
        const { httpStatus, providerRequestId, restMs } = readHeaders(response);
        const picture = firstPicture(answer, httpStatus, providerRequestId);
        const bytes =
          picture.b64_json === undefined
            ? await download(picture.url, attempt.signal)
            : inlinePicture(response, picture.b64_json);
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
          pauseMs: restMs,
        };
      } catch (error) {
        throw classifyFault(error, {
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

    async shutdownDates(signal) {
      // The connection is not kept: the next call is a day away.
      const list = client.models.list({ signal, headers: { connection: 'close' } });
      const dates = new Map<string, string>();
      for await (const { id, shutdown_date: date } of list) {
        if (typeof date === 'string' && /^\d{4}-\d{2}-\d{2}/.test(date)) dates.set(id, date.slice(0, 10));
      }
      return dates;
    },
  };
}

function createClient({ apiKey, baseURL, azureApiVersion, timeoutMs, transport }: OpenAIProviderOptions): OpenAI {
  const shared = {
    // The SDK insists on a key, and sends it.
    apiKey: apiKey ?? 'none',
    maxRetries: 0,
    timeout: timeoutMs,
    fetch: async (input, init) => decodeInlinePictures(await toOpenAIError(await transport.fetch(input, init))),
    // A redirected call would be another call, to an address that nobody has configured, with prompt and perhaps key.
    fetchOptions: { redirect: 'manual' },
    // Unless told, the SDK takes these two from variables of its own, and would name OpenAI's customer to any server.
    ...(baseURL !== null && { organization: null, project: null }),
    logLevel: 'off',
  } as const satisfies ClientOptions;
  if (azureApiVersion === null) return new OpenAI({ ...shared, baseURL });
  // An empty base URL keeps the SDK from taking one from a variable of its own: the endpoint is what counts.
  return new AzureOpenAI({ ...shared, baseURL: '', endpoint: baseURL ?? '', apiVersion: azureApiVersion });
}

function toRequestBody(call: GenerationCall, omit: readonly OmittableParameter[]): ImageGenerateParamsNonStreaming {
  const body: ImageGenerateParamsNonStreaming = {
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
  for (const parameter of omit) delete body[parameter];
  return body;
}

function readHeaders({ status, headers }: Response) {
  return {
    httpStatus: status,
    providerRequestId: headers.get('x-request-id'),
    restMs: parseRateLimit((header) => headers.get(header)),
  };
}

interface AnsweredPicture {
  /** Base64, or what is left of it: see `pictureIn`. */
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
function withTimeout(outer: AbortSignal, ms: number) {
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
