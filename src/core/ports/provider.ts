import type { Background, MasterFormat, Quality } from '../domain/formats.ts';
import type { Size } from '../domain/geometry.ts';
import type { Model } from '../domain/model.ts';

/** A model API. Calls are independent of each other, and any number may run at once: `core/upstream` throttles and retries. */
export interface Provider {
  /** Names it in records, metrics and settings. */
  readonly name: string;
  /** False for a server without a size parameter; none is sent. */
  readonly supportsSize: boolean;
  /** Control sequences that the server would execute; they are removed from prompts. */
  readonly controlSequences: readonly string[];
  /** The catalog row for a model id; null when this provider does not offer it. */
  model(id: string): Model | null;
  /**
   * Makes one call. An adapter must not retry: each call may be billed. Raises `ProviderError` only, with the fault `cancelled` where
   * the signal ended the call. A picture that has arrived is returned even if the signal is aborted afterwards.
   */
  generate(call: GenerationCall, options: GenerationOptions): Promise<GeneratedPicture>;
  /**
   * The shutdown dates (YYYY-MM-DD) that the provider announces, by model id. Absent where it has no such list. May reject with any
   * error.
   */
  shutdownDates?(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
}

/**
 * The provider with the methods in `replaced` instead of its own. It is wrapped field by field, so that a provider written as
 * a class keeps its `this`, and has `shutdownDates` only where the provider has it.
 */
export function wrapProvider(provider: Provider, replaced: Partial<Pick<Provider, 'model' | 'generate'>>): Provider {
  const wrapper: Provider = {
    name: provider.name,
    supportsSize: provider.supportsSize,
    controlSequences: provider.controlSequences,
    model: replaced.model ?? ((id) => provider.model(id)),
    generate: replaced.generate ?? ((call, options) => provider.generate(call, options)),
  };
  const { shutdownDates } = provider;
  return shutdownDates ? { ...wrapper, shutdownDates: (signal) => shutdownDates.call(provider, signal) } : wrapper;
}

/** One call, in terms that the model supports: null parameters are not sent. */
export interface GenerationCall {
  readonly model: Model;
  readonly prompt: string;
  readonly size: Size;
  readonly quality: Quality | null;
  readonly style: string | null;
  readonly background: Background | null;
  readonly format: MasterFormat | null;
}

export interface GenerationOptions {
  readonly signal: AbortSignal;
  /** Called with each partial picture of a model that streams; set it to ask for streaming. It does not raise. */
  readonly onPartial?: ((bytes: Uint8Array, index: number) => void) | undefined;
}

/** The picture that a call returned, with what the provider reported about the call. */
export interface GeneratedPicture {
  /** As the provider sent it; never empty. */
  readonly bytes: Uint8Array;
  readonly revisedPrompt: string | null;
  readonly usage: TokenUsage | null;
  readonly httpStatus: number | null;
  readonly providerRequestId: string | null;
  /** Milliseconds until the provider's rate limit allows the next call; null when it allows one now. */
  readonly pauseMs: number | null;
}

/** Numbers of tokens, as the provider reports them. */
export interface TokenUsage {
  /** Cached ones included. */
  readonly textInput: number;
  readonly cachedTextInput: number;
  readonly imageInput: number;
  readonly output: number;
}
