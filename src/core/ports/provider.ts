import type { Background, MasterFormat, Quality } from '../domain/formats.ts';
import type { Size } from '../domain/geometry.ts';
import type { Model } from '../domain/model.ts';

/** One call, in terms that the model is known to take: null parameters are not sent. */
export interface GenerationCall {
  readonly model: Model;
  readonly prompt: string;
  readonly size: Size;
  readonly quality: Quality | null;
  readonly style: string | null;
  readonly background: Background | null;
  readonly format: MasterFormat | null;
}

export interface TokenUsage {
  readonly textInput: number;
  readonly cachedTextInput: number;
  readonly imageInput: number;
  readonly output: number;
}

export interface GeneratedPicture {
  readonly bytes: Uint8Array;
  readonly revisedPrompt: string | null;
  readonly usage: TokenUsage | null;
  readonly httpStatus: number | null;
  readonly providerRequestId: string | null;
  /** For how long, in milliseconds, the provider's rate limit leaves no room for another call; null where it does. */
  readonly pauseMs: number | null;
}

export interface GenerationOptions {
  readonly signal: AbortSignal;
  /** Called with each partial picture, where the model streams; its presence asks for streaming. */
  readonly onPartial?: ((bytes: Uint8Array, index: number) => void) | undefined;
}

export interface Provider {
  readonly name: string;
  /** False for a server that chooses the size of the picture itself, so that none is sent. */
  readonly supportsSize: boolean;
  /** Texts inside a prompt that the server would take for commands; they are taken out of what users write. */
  readonly controlSequences: readonly string[];
  /** The row for a model id, or null where this provider cannot be asked for it. */
  model(id: string): Model | null;
  /** Makes one call. Raises `ProviderError` only. */
  generate(call: GenerationCall, options: GenerationOptions): Promise<GeneratedPicture>;
  /** The shutdown dates (YYYY-MM-DD) that the provider itself announces, by model id; left out where it has no such list. */
  shutdownDates?(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
}
