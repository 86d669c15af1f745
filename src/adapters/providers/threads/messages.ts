/** What crosses between the event loop and the threads on which provider calls are made. All of it is plain data. */

import type { MessagePort } from 'node:worker_threads';
import type {
  AnnouncedAnswer,
  DownloadedPicture,
  GeneratedPicture,
  GenerationCall,
  GenerationOptions,
} from '../../../core/ports/provider.ts';

/** One use of a provider's calls. */
export type CallWork =
  | {
      readonly method: 'generate';
      readonly call: GenerationCall;
      /** Moved. */
      readonly inputBytes: GenerationOptions['inputBytes'];
      readonly omit: GenerationOptions['omit'];
      readonly wantsPartials: boolean;
    }
  | { readonly method: 'download'; readonly url: string; readonly timeoutMs: number }
  | { readonly method: 'shutdownDates' };

/** A task of a call thread. */
export interface CallTask {
  /** The name in `PROVIDERS`. */
  readonly provider: string;
  readonly work: CallWork;
  /** That of the span in which the call is made; null for none. */
  readonly traceparent: string | null;
  /** All that are known now. */
  readonly secrets: readonly string[];
  /** Carries `CallNews` to the thread, and `PartialPicture` back. The event loop closes it. */
  readonly port: MessagePort;
}

/** What a call brings, by its method. */
export type CallResult = GeneratedPicture | AnnouncedAnswer | DownloadedPicture | ReadonlyMap<string, string>;

/** Why a call is to end; see `GenerationOptions`. Other methods know `abandoned` alone. */
export type CallEnd = 'cancelled' | 'abandoned';

/** What a thread has to know while its call runs. */
export type CallNews = { readonly end: CallEnd } | { readonly secrets: readonly string[] };

/** A partial picture of a call that wants them, its bytes moved. */
export interface PartialPicture {
  readonly bytes: Uint8Array;
  readonly index: number;
}
