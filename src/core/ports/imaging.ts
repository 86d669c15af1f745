import type { Check, CheckPolicy } from '../domain/checks.ts';
import type { CropStrategy, MasterFormat, RenditionFormat, RenditionSpec } from '../domain/formats.ts';
import type { Size } from '../domain/geometry.ts';
import type { Warning } from '../domain/image.ts';

/** What a picture has to become. */
export interface FinishSpec {
  /** The size that the provider was asked for; another one is warned of. */
  readonly requested: Size;
  readonly master: Size & { readonly format: MasterFormat };
  /** How the original, and the master for a rendition, is brought to another shape. */
  readonly crop: CropStrategy;
  /** Where it is to be otherwise than configured. */
  readonly checks?: Partial<CheckPolicy>;
  /** What is made together with the master … */
  readonly renditions: readonly RenditionSpec[];
  /** … and what `finishDeferred` makes. */
  readonly deferred: readonly RenditionSpec[];
  /** Written into every file that is encoded here, as XMP. */
  readonly provenance: {
    readonly mediaId: string;
    readonly provider: string;
    readonly model: string;
    /** ISO 8601, UTC. */
    readonly createdAt: string;
    readonly originalSha256: string;
    /** Null unless prompts are to be written in. */
    readonly prompt: string | null;
  };
}

export interface FinishedFile extends Size {
  readonly format: RenditionFormat;
  /** The encoded file; null for a master that is the original itself, byte for byte. */
  readonly bytes: Uint8Array | null;
}

export interface FinishedPicture {
  readonly master: FinishedFile;
  /** In the order of the order. */
  readonly renditions: readonly FinishedFile[];
  readonly checks: readonly Check[];
  /** Base64. */
  readonly thumbhash: string;
  /** `#rrggbb`. */
  readonly dominantColour: string;
  /** Of everything in the order, deferred renditions included. */
  readonly warnings: readonly Warning[];
}

export interface Imaging {
  /**
   * Decodes the original once, checks it, and makes the master at exactly the size asked for and every rendition that
   * is not deferred. Raises `ImageError` with `invalid_image` (and the checks) for bytes that are no sound picture.
   */
  finish(original: Uint8Array, spec: FinishSpec): Promise<FinishedPicture>;
  /**
   * Makes the deferred renditions of an original that passed `finish`, and hands each to `made` before it makes the
   * next. Gives the warnings that `finish` could not know of. Keeps no call of `finish` waiting; how many run at a time is for the caller to say. Decodes anew, which is a tenth of what one avif takes: pixels that
   * wait for their turn would be megabytes a picture.
   */
  finishDeferred(
    original: Uint8Array,
    spec: FinishSpec,
    onFile: (file: FinishedFile) => Promise<void>,
  ): Promise<readonly Warning[]>;
}
