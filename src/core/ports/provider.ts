import type { DigitalSourceType } from '../domain/digital-source.ts';
import type { Background, MasterFormat, Quality } from '../domain/formats.ts';
import type { Size } from '../domain/geometry.ts';
import type { Input } from '../domain/input.ts';
import type { Model, OmittableParameter } from '../domain/model.ts';
import type { TokenUsage } from '../domain/money.ts';
import type { CallOptions } from '../domain/request.ts';

/** A model API. Calls are independent of each other, and any number may run at once: `core/upstream` throttles and retries. */
export interface Provider {
  /** Names it in records, metrics and settings. */
  readonly name: string;
  /** What its pictures are. */
  readonly digitalSourceType: DigitalSourceType;
  /** False for a server without a size parameter; none is sent. */
  readonly supportsSize: boolean;
  /** Control sequences that the server would execute; they are removed from prompts. */
  readonly controlSequences: readonly string[];
  /** The catalog row for a model id; null when this provider does not offer it. */
  model(id: string): Model | null;
  /**
   * Makes one call, and sends one request: each may be billed. Raises `ProviderError` only, with the fault `cancelled` where a signal
   * ended the call. A picture that has arrived is returned even if a signal fires afterwards.
   */
  generate(call: GenerationCall, options: GenerationOptions): Promise<GeneratedPicture | AnnouncedAnswer>;
  /**
   * Fetches the picture that an answer of this provider named by its URL. Makes one try and raises `ProviderError`: with the fault
   * `empty` where no further try can work (the SSRF guard refuses the URL, the file is too large, or the server says 410), with
   * `cancelled` where the signal fired, else with a fault after which the picture may still be there.
   */
  download(url: string, options: DownloadOptions): Promise<DownloadedPicture>;
  /**
   * The shutdown dates (YYYY-MM-DD) that the provider announces, by model id. Absent where it has no such list. May reject with any
   * error.
   */
  shutdownDates?(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
}

/** The methods of a provider that reach its server. */
export type ProviderCalls = Required<Pick<Provider, 'generate' | 'download' | 'shutdownDates'>>;

/**
 * The provider with the methods in `replaced` instead of its own. It is wrapped field by field, so that a provider written as
 * a class keeps its `this`, and has `shutdownDates` only where the provider has it.
 */
export function wrapProvider(provider: Provider, replaced: Partial<Pick<Provider, 'model' | 'generate'>>): Provider {
  const wrapper: Provider = {
    name: provider.name,
    digitalSourceType: provider.digitalSourceType,
    supportsSize: provider.supportsSize,
    controlSequences: provider.controlSequences,
    model: replaced.model ?? ((id) => provider.model(id)),
    generate: replaced.generate ?? ((call, options) => provider.generate(call, options)),
    download: (url, options) => provider.download(url, options),
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
  /**
   * Partial pictures to ask for, each of which is billed; 0 asks for an answer without streaming. A server that cannot stream ends the
   * call with the fault `parameter_refused`, and is then not asked to again for a while.
   */
  readonly partialImages: number;
  /** Pictures to start from; absent for a picture from the prompt alone. */
  readonly edit?: EditParts;
  /** Only those that the model takes. */
  readonly options?: CallOptions;
}

/** The pictures that an edit starts from. Their bytes are in `GenerationOptions.inputBytes`. */
export interface EditParts {
  /** In the order in which they are sent. */
  readonly inputs: readonly Input[];
  /** For the first input. */
  readonly mask: Input | null;
}

export interface GenerationOptions {
  /**
   * Ends the call while no good answer has begun. Once the head of one is here, the picture is paid for, and the answer is read to its
   * end all the same.
   */
  readonly cancelled: AbortSignal;
  /** Ends the call at any time: the process stops now, or nothing that still arrives is wanted. */
  readonly abandoned: AbortSignal;
  /**
   * The bytes of the inputs and the mask of `GenerationCall.edit`, by their SHA-256. They are the call's from then on, and may be empty
   * after it: the next call needs them anew.
   */
  readonly inputBytes?: ReadonlyMap<string, Uint8Array> | undefined;
  /** Parameters that the server has refused, by their names on the wire; they are not sent. */
  readonly omit?: readonly OmittableParameter[] | undefined;
  /** Called with each partial picture. It does not raise. */
  readonly onPartial?: ((bytes: Uint8Array, index: number) => void) | undefined;
}

export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** Milliseconds for the whole try in which the process is awake. */
  readonly timeoutMs: number;
}

/** The bytes of a picture as they were received. */
export interface ReceivedBytes {
  /** As the provider sent it; never empty. */
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes` in hex, computed where they were received. */
  readonly sha256: string;
  /** Gives the memory of `bytes`, which are empty afterwards, back at once. Absent where only the garbage collector can. */
  readonly release?: () => void;
}

/** What the URL of an announced picture gave. */
export interface DownloadedPicture extends ReceivedBytes {
  /**
   * False where the bytes end in the middle of the picture, as far as their format shows it. A server may still be writing the file;
   * or this is all there will ever be.
   */
  readonly isWhole: boolean;
}

/** The picture that a call returned. */
export interface GeneratedPicture extends CallReport, ReceivedBytes {}

/** Where the picture is that a call has made: it is paid for, and still to be fetched with `download`. */
export interface AnnouncedAnswer extends CallReport {
  /** Absolute, http or https. */
  readonly url: string;
}

/** What the provider reported about a call that made a picture. */
interface CallReport {
  readonly revisedPrompt: string | null;
  readonly usage: TokenUsage | null;
  readonly httpStatus: number | null;
  readonly providerRequestId: string | null;
  /** Milliseconds until the provider's rate limit allows the next call; null when it allows one now. */
  readonly pauseMs: number | null;
}
