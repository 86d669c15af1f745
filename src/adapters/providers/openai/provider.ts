import type { ImageGenerateParamsNonStreaming } from 'openai/resources/images';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../core/domain/digital-source.ts';
import { ProviderError } from '../../../core/domain/errors.ts';
import { formatSize } from '../../../core/domain/geometry.ts';
import type { Model, OmittableParameter } from '../../../core/domain/model.ts';
import type { MaskSecrets } from '../../../core/domain/text/outside-text.ts';
import type { Clock } from '../../../core/ports/clock.ts';
import type { GenerationCall, Provider } from '../../../core/ports/provider.ts';
import type { GuardedFetch } from '../../../security/ssrf-guard.ts';
import { openCallSignal } from '../call-signal.ts';
import { createPictureDownload } from '../picture-download.ts';
import { readAnswer } from './answer.ts';
import { type ConnectionOptions, createClient } from './client.ts';
import { classifyFault } from './faults.ts';
import { readHeaders } from './response.ts';

export interface OpenAIProviderOptions extends ConnectionOptions {
  /** The catalog row of a model id, or null where this provider does not offer the model. */
  readonly model: (id: string) => Model | null;
  /** Parameters that the server rejects, by their names on the wire; they are not sent. */
  readonly omit: readonly OmittableParameter[];
  /** See `Provider.controlSequences`. */
  readonly controlSequences: readonly string[];
  /** Time limit of one call in milliseconds, from the first byte sent to the last byte received, while the process is awake. */
  readonly timeoutMs: number;
  /** Downloads pictures that a response gives as a URL. */
  readonly guard: GuardedFetch;
  /** Largest picture that is downloaded, in bytes. */
  readonly maxPictureBytes: number;
  /** Applied to all that is kept of an answer's texts. */
  readonly maskSecrets: MaskSecrets;
  /** True where the reason of an error may quote the prompt in the log. */
  readonly logPrompts: boolean;
  readonly clock: Clock;
}

/**
 * A provider for OpenAI's image API, or any server compatible with it, through the official SDK. Each `generate` sends one request.
 * Once the server has refused to stream, no later call asks for it.
 */
export function createOpenAIProvider(options: OpenAIProviderOptions): Provider {
  const { name, timeoutMs, guard, maxPictureBytes, maskSecrets, logPrompts, clock } = options;
  const client = createClient(options);
  const { baseURL } = client;

  let supportsStreaming = true;

  return {
    name,
    model: options.model,
    digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
    supportsSize: !options.omit.includes('size'),
    controlSequences: options.controlSequences,

    async generate(call, { cancelled, abandoned, onPartial }) {
      const streams = call.partialImages > 0 && supportsStreaming;
      using ends = openCallSignal({ cancelled, abandoned, timeoutMs });
      let response: Response | null = null;
      try {
        const parameters = { ...toParameters(call, options.omit), ...(streams && streaming(call)) };
        response = await client.images.generate(parameters, { signal: ends.signal }).asResponse();
        ends.answerBegins();
        const answer = await readAnswer(response, { baseURL, maskSecrets, onPartial: onPartial ?? (() => {}) });
        const headers = readHeaders(response, clock.now(), maskSecrets);
        if (answer === null) {
          throw new ProviderError(
            'empty',
            `${name} answered ${headers.httpStatus} without a readable picture`,
            headers,
          );
        }
        const { picture, ...report } = answer;
        return picture instanceof URL
          ? { url: picture.href, ...report, ...headers }
          : { bytes: picture, ...report, ...headers };
      } catch (error) {
        if (error instanceof ProviderError) throw error;
        const { endedBy } = ends;
        const hiddenPrompt = logPrompts ? null : call.prompt;
        const failure = classifyFault(error, {
          name,
          maskSecrets,
          hiddenPrompt,
          now: clock.now(),
          endedBy,
          response,
          streams,
        });
        if (failure.fault === 'streaming_refused') supportsStreaming = false;
        throw failure;
      }
    },

    download: createPictureDownload({
      name,
      guard,
      baseURL,
      keyHeader: keyHeader(options),
      maxBytes: maxPictureBytes,
      maskSecrets,
      now: () => clock.now(),
    }),

    async shutdownDates(signal) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      // Called once a day, so the connection is not kept open.
      const list = client.models.list({ signal: limited, headers: { connection: 'close' } });
      const dates = new Map<string, string>();
      try {
        for await (const { id, shutdown_date: date } of list) {
          if (typeof date === 'string' && /^\d{4}-\d{2}-\d{2}/.test(date)) dates.set(id, date.slice(0, 10));
        }
      } catch (error) {
        const call = { endedBy: null, response: null, streams: false };
        throw classifyFault(error, { name, maskSecrets, hiddenPrompt: null, now: clock.now(), ...call });
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

function streaming({ partialImages }: GenerationCall) {
  return { stream: true, partial_images: partialImages } as const;
}

/** As the SDK sends the key. */
function keyHeader({ apiKey, azureApiVersion }: ConnectionOptions): Readonly<Record<string, string>> | null {
  if (apiKey === null) return null;
  return azureApiVersion === null ? { authorization: `Bearer ${apiKey}` } : { 'api-key': apiKey };
}
