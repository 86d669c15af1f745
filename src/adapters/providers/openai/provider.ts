import type { ImageGenerateParamsNonStreaming } from 'openai/resources/images';
import { ProviderError } from '../../../core/domain/errors.ts';
import { formatSize } from '../../../core/domain/geometry.ts';
import type { Model, OmittableParameter } from '../../../core/domain/model.ts';
import type { Clock } from '../../../core/ports/clock.ts';
import type { GeneratedPicture, GenerationCall, GenerationOptions, Provider } from '../../../core/ports/provider.ts';
import type { GuardedFetch } from '../../../security/ssrf-guard.ts';
import { decodeBase64 } from './base64.ts';
import { type ConnectionOptions, createClient } from './client.ts';
import { classifyFault } from './faults.ts';
import { inlinePicture } from './inline-pictures.ts';
import { firstPicture, readHeaders, readUsage } from './response.ts';
import { PARTIAL_IMAGES, readStreamedResponse, refusesStreaming } from './stream.ts';

export interface OpenAIProviderOptions extends ConnectionOptions {
  readonly name: string;
  /** The catalog row of a model id, or null where this provider does not offer the model. */
  readonly model: (id: string) => Model | null;
  /** Parameters that the server rejects, by their names on the wire; they are not sent. */
  readonly omit: readonly OmittableParameter[];
  /** See `Provider.controlSequences`. */
  readonly controlSequences: readonly string[];
  /** Downloads pictures that a response gives as a URL. */
  readonly guard: GuardedFetch;
  /** Largest picture that is downloaded, in bytes. */
  readonly maxPictureBytes: number;
  readonly clock: Clock;
}

/**
 * A provider for OpenAI's image API, or any server compatible with it, through the official SDK. Each `generate` sends one
 * request. Where the server rejects it for asking for streaming, it is sent again without, and later ones no longer ask.
 */
export function createOpenAIProvider(options: OpenAIProviderOptions): Provider {
  const { name, apiKey, timeoutMs, guard, maxPictureBytes, clock } = options;
  const client = createClient(options);

  let supportsStreaming = true;

  /** Sends the request; gives the response and its parsed body. */
  async function requestPicture(call: GenerationCall, { onPartial }: GenerationOptions, signal: AbortSignal) {
    const parameters = toParameters(call, options.omit);
    const partialImages = Math.min(PARTIAL_IMAGES, call.model.partialImages);
    if (onPartial && partialImages > 0 && supportsStreaming) {
      try {
        const response = await client.images
          .generate({ ...parameters, stream: true, partial_images: partialImages }, { signal })
          .asResponse();
        const body = await readStreamedResponse(response, client, (base64, index) => {
          const bytes = decodeBase64(base64);
          if (bytes !== null) onPartial(bytes, index);
        });
        return { response, body };
      } catch (error) {
        if (!refusesStreaming(error)) throw error;
        // A listener for partial pictures must not make the call fail: send it again without streaming.
        supportsStreaming = false;
      }
    }
    const { data, response } = await client.images.generate(parameters, { signal }).withResponse();
    return { response, body: data as unknown };
  }

  /** Downloads a picture; null where that fails, for example because the SSRF guard refuses the URL. Rejects when aborted. */
  async function download(url: string | undefined, signal: AbortSignal): Promise<Uint8Array | null> {
    if (url === undefined) return null;
    try {
      const response = await guard.fetch(url, { method: 'GET', timeoutMs, maxBytes: maxPictureBytes, signal });
      return response.status === 200 && response.complete ? response.body : null;
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
        const { response, body } = await requestPicture(call, options, attempt.signal);
        const headers = readHeaders(response);
        const picture = firstPicture(body, headers);
        const bytes =
          picture.b64_json === undefined
            ? await download(picture.url, attempt.signal)
            : inlinePicture(response, picture.b64_json);
        if (bytes === null || bytes.length === 0) {
          const { httpStatus, providerRequestId } = headers;
          throw new ProviderError('empty', `${name} answered ${httpStatus} without a readable picture`, {
            httpStatus,
            providerRequestId,
          });
        }
        return { bytes, revisedPrompt: picture.revised_prompt ?? null, usage: readUsage(body), ...headers };
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

    async download(url, { signal }) {
      const bytes = await download(url, signal);
      if (bytes === null) throw new ProviderError('interrupted', `${name} did not give the picture at its URL`);
      return bytes;
    },

    async shutdownDates(signal) {
      // Called once a day, so the connection is not kept open.
      const list = client.models.list({ signal, headers: { connection: 'close' } });
      const dates = new Map<string, string>();
      for await (const { id, shutdown_date: date } of list) {
        if (typeof date === 'string' && /^\d{4}-\d{2}-\d{2}/.test(date)) dates.set(id, date.slice(0, 10));
      }
      return dates;
    },
  };
}

function toParameters(call: GenerationCall, omit: readonly OmittableParameter[]): ImageGenerateParamsNonStreaming {
  const parameters: ImageGenerateParamsNonStreaming = {
    model: call.model.id,
    prompt: call.prompt,
    size: formatSize(call.size),
    n: 1,
    // The SDK's types list the qualities and styles known at its release; the catalog decides which ones are sent.
    ...(call.quality !== null && { quality: call.quality as ImageGenerateParamsNonStreaming['quality'] & string }),
    ...(call.style !== null && { style: call.style as 'vivid' | 'natural' }),
    ...(call.background !== null && { background: call.background }),
    ...(call.format !== null && { output_format: call.format }),
  };
  for (const parameter of omit) delete parameters[parameter];
  return parameters;
}

/** A signal that aborts with the outer one or after `ms` milliseconds. `timedOut` says which it was; `end` stops the timer. */
function withTimeout(outer: AbortSignal, ms: number) {
  const controller = new AbortController();
  let expired = false;
  const abort = () => controller.abort(outer.reason);
  const timer = setTimeout(() => {
    expired = true;
    controller.abort(new Error(`no complete response within ${ms / 1000} s`));
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
