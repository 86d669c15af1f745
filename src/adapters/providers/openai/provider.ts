import { TRAINED_ALGORITHMIC_MEDIA } from '../../../core/domain/digital-source.ts';
import { ProviderError } from '../../../core/domain/errors.ts';
import type { Model, OmittableParameter } from '../../../core/domain/model.ts';
import type { Provider, ProviderCalls } from '../../../core/ports/provider.ts';

export interface OpenAIProviderOptions {
  /** The name in `PROVIDERS`. */
  readonly name: string;
  /** The catalog row of a model id, or null where this provider does not offer the model. */
  readonly model: (id: string) => Model | null;
  /** Parameters that the server rejects, by their names on the wire. */
  readonly omit: readonly OmittableParameter[];
  /** See `Provider.controlSequences`. */
  readonly controlSequences: readonly string[];
  /** Reaches the server: `createOpenAICalls`, on this thread or another. */
  readonly calls: ProviderCalls;
}

/**
 * A provider for OpenAI's image API, or any server compatible with it. Once the server has refused to stream, no later call asks for it,
 * whatever thread makes it.
 */
export function createOpenAIProvider(options: OpenAIProviderOptions): Provider {
  const { name, model, omit, controlSequences, calls } = options;
  let supportsStreaming = true;

  return {
    name,
    model,
    digitalSourceType: TRAINED_ALGORITHMIC_MEDIA,
    supportsSize: !omit.includes('size'),
    controlSequences,
    async generate(call, options) {
      try {
        return await calls.generate(supportsStreaming ? call : { ...call, partialImages: 0 }, options);
      } catch (error) {
        if (error instanceof ProviderError && error.fault === 'streaming_refused') supportsStreaming = false;
        throw error;
      }
    },
    download: calls.download,
    shutdownDates: calls.shutdownDates,
  };
}
