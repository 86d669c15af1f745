import type { Check, CheckPolicy } from '../domain/checks.ts';
import type { DigitalSourceType } from '../domain/digital-source.ts';
import type { CropStrategy, MasterFormat, RenditionFormat, RenditionSpec } from '../domain/formats.ts';
import type { Size } from '../domain/geometry.ts';
import type { Warning } from '../domain/image.ts';
import type { InputFormat } from '../domain/input.ts';

/**
 * Turns an original into published files, and looks at what callers bring. An adapter stores nothing.
 *
 * `read` gives the bytes of the original when the picture's turn comes, so that pictures which wait hold none. They are the adapter's from
 * then on, empty afterwards; it may read again. Bytes that do not have `spec.provenance.originalSha256` raise `DamagedOriginalError`, and
 * what `read` raises is raised.
 *
 * Every method raises `ImageError` with `invalid_image` for bytes that are no sound picture, and only for those; with `internal_error`
 * where the machine had no memory or no time for it. Any other error is a fault of the machine or of the code. Neither of these says
 * anything against the picture. A picture with all its pixels that other readers call broken is repaired, with the warning `repaired`.
 */
export interface Imaging {
  /**
   * Decodes the original once, checks it, and makes the master at exactly the requested size and every rendition that is not
   * deferred. Calls queue inside the adapter, so any number may be made at once. A picture that fails a check raises `invalid_image` with
   * the results of all checks.
   *
   * The result keeps the picture's place among those in hand: dispose of it as soon as its files are stored. Their bytes are then empty.
   */
  finish(read: ReadOriginal, spec: FinishSpec): Promise<FinishedPicture & Disposable>;
  /**
   * Makes the deferred renditions of an original that passed `finish`, and awaits `onFile` with each before it makes the next; an
   * error of `onFile` ends the call. The bytes of a file are empty once `onFile` has settled. Returns the warnings that `finish` could not
   * know of.
   *
   * It does not use the queue of `finish`: the caller limits concurrency. It reads and decodes the original again for each, which takes a
   * tenth of the time of one avif; keeping the pixels instead would take megabytes for each picture.
   */
  finishDeferred(
    read: ReadOriginal,
    spec: FinishSpec,
    onFile: (file: FinishedFile) => Promise<void>,
  ): Promise<readonly Warning[]>;
  /**
   * Makes the thumbnail of a picture that was published without one, as `finish` makes it: of its original, or of its master where
   * `sha256` is that of the master, which `read` then gives. It does not use the queue of `finish`: the caller limits concurrency, and
   * disposes of the file once it is stored.
   */
  thumbnail(read: ReadOriginal, spec: FinishSpec, sha256: string): Promise<FinishedFile & Disposable>;
  /**
   * Decodes a picture that a caller brings, completely, and says what it is; `bytes` stay as they are. It is sent on as it came, so
   * nothing is repaired: a still, whole PNG, JPEG or WebP within the pixel limit, or `invalid_image`. What other readers pass over,
   * such as a wrong profile or bytes behind its end, is no fault.
   */
  inspect(bytes: Uint8Array): Promise<InspectedPicture>;
}

/** What a picture is, by its pixels. */
export interface InspectedPicture extends Size {
  readonly format: InputFormat;
  /** Whether it has an alpha channel, or a palette with transparent colours. `width` and `height` are those of the upright picture. */
  readonly hasAlpha: boolean;
  /** Of the bytes, in hex. */
  readonly sha256: string;
}

/** Reads the bytes of an original, alone in their memory. */
export type ReadOriginal = () => Promise<Uint8Array>;

/** What to make of an original: master, renditions, checks, embedded provenance. */
export interface FinishSpec {
  /** The size requested from the provider; a different result gets a warning. */
  readonly requested: Size;
  readonly master: Size & { readonly format: MasterFormat };
  /** True where an original that can be published unchanged is the master, whatever its size and format. */
  readonly takesAnyShape?: boolean;
  /** How the original is fitted to the master, and the master to a rendition of another aspect ratio. */
  readonly crop: CropStrategy;
  /** Overrides of the configured check policy. */
  readonly checks?: Partial<CheckPolicy>;
  /** Renditions that `finish` makes together with the master. */
  readonly renditions: readonly RenditionSpec[];
  /** Renditions left to `finishDeferred`. */
  readonly deferred: readonly RenditionSpec[];
  /** Written as XMP into every file that is encoded, and in part into its C2PA manifest. */
  readonly provenance: {
    readonly mediaId: string;
    readonly provider: string;
    readonly model: string;
    /** ISO 8601, UTC. */
    readonly createdAt: string;
    readonly originalSha256: string;
    readonly digitalSourceType: DigitalSourceType;
    /** Null unless prompts are to be embedded. */
    readonly prompt: string | null;
    /** The pictures that the model was given besides the prompt; absent for none. */
    readonly inputs?: readonly ProvenanceInput[];
  };
}

/**
 * A picture that another one was made from, as the files of that name it. They are public, so of its source only a mediaId is: an address
 * may be a secret.
 */
export interface ProvenanceInput {
  /** In hex. */
  readonly sha256: string;
  readonly format: InputFormat;
  /** Null for a picture from elsewhere. */
  readonly mediaId: string | null;
}

/** An encoded file. */
export interface EncodedFile extends Size {
  readonly format: RenditionFormat;
  readonly bytes: Uint8Array;
}

/** A master, a rendition or a thumbnail, ready to be published. */
export interface FinishedFile extends Size {
  readonly format: RenditionFormat;
  /** The encoded file; null for a master that is the original itself, byte for byte. */
  readonly bytes: Uint8Array | null;
  /** In hex. */
  readonly sha256: string;
}

/** The result of `Imaging.finish`. */
export interface FinishedPicture {
  readonly master: FinishedFile;
  /** Same order as `FinishSpec.renditions`. */
  readonly renditions: readonly FinishedFile[];
  /** A WebP of `thumbnailSize` pixels and at most 60 kB. */
  readonly thumbnail: FinishedFile;
  readonly checks: readonly Check[];
  /** Of the master, base64. */
  readonly thumbhash: string;
  /** Of the master, as `#rrggbb`. */
  readonly dominantColour: string;
  /** Warnings about the master and all renditions, deferred ones included. */
  readonly warnings: readonly Warning[];
}
