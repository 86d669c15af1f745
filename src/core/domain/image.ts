import type { Check } from './checks.ts';
import type { RenditionFormat, RenditionSpec } from './formats.ts';
import type { Size } from './geometry.ts';
import type { Cost } from './money.ts';
import type { ImageRequest } from './request.ts';

/**
 * The words of Easel, as types.
 *
 * - **request**: what the caller asked for, with every default resolved. Two requests that resolve alike are the same.
 * - **image**: the durable row about one picture, named by its mediaId; `toRecord` gives the shape callers see.
 * - **attempt**: one call to a provider. It is written down before it is sent and closed after, so that a crash leaves a trace.
 * - **original**: the bytes the model returned, untouched. **master**: the picture at exactly the size asked for.
 *   **rendition**: a derived size or format of the master.
 *
 * Lifecycle: queued → generating → processing → succeeded, or `failed` or `cancelled` from any of the first three. A succeeded
 * image whose master is gone from the disk goes back to processing.
 * An image with work left is a job, and the queue is nothing but these: the unfinished, and the succeeded whose slow
 * renditions are pending.
 */

export const FINISHED_STATUSES = ['succeeded', 'failed', 'cancelled'] as const;
export type FinishedStatus = (typeof FINISHED_STATUSES)[number];

export const IMAGE_STATUSES = ['queued', 'generating', 'processing', ...FINISHED_STATUSES] as const;
export type ImageStatus = (typeof IMAGE_STATUSES)[number];

/** Label of images that no cleanup takes; only their DELETE does. */
export const PINNED = 'pinned';

/** Whether the picture itself is settled: nothing but pending renditions can follow by itself. */
export function isFinished(status: ImageStatus): status is FinishedStatus {
  return FINISHED_STATUSES.some((finished) => finished === status);
}

/** IPTC NewsCode for pictures made by a model that was trained on sampled data: what every picture of Easel is. */
export const TRAINED_ALGORITHMIC_MEDIA = 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia';

/**
 * How one call to a provider ended: `ok`, `failed` (known not to be billed), `unknown` (may be billed) or `cancelled`.
 * An attempt that is still open is `unknown` with a null duration, which is the truth about it until it is closed.
 */
export const ATTEMPT_OUTCOMES = ['ok', 'failed', 'unknown', 'cancelled'] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

export interface Attempt {
  /** Names the original's file, so that a restart can tell whether this very call brought a picture. */
  readonly id: string;
  /** Which run of the image it belongs to; each run has its own allowance of attempts. */
  readonly run: number;
  readonly provider: string;
  readonly model: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** Null while the call runs, and for ever if the process died during it. */
  readonly durationMs: number | null;
  readonly outcome: AttemptOutcome;
  readonly httpStatus: number | null;
  readonly providerRequestId: string | null;
  /** The estimate until the outcome is known, and for ever where it never is; nothing for a call that failed. */
  readonly cost: Cost;
}

export interface Original {
  /** Name inside the media store, below `originals/`. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  /** False once it has failed its checks: it is set aside, and only a new request pays for another. */
  readonly sound: boolean;
}

/** One published file: the master or a rendition. */
export interface MediaFile extends Size {
  /** Name inside the media store; also the last part of its URL. */
  readonly name: string;
  readonly format: RenditionFormat;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Warning {
  readonly code: string;
  readonly detail: string;
}

/** Said of an image that was cancelled too late, until it is asked for again. */
export const PICTURE_KEPT: Warning = {
  code: 'picture_kept',
  detail: 'the picture arrived although the image was cancelled; the same request finishes it without paying again',
};

export interface Image {
  readonly mediaId: string;
  readonly status: ImageStatus;
  /** Starts at 1 and grows each time a failed or cancelled image is asked for again. */
  readonly run: number;
  /** Name of the API key that made it; `anonymous` where no keys are configured. */
  readonly owner: string;
  readonly idempotencyKey: string | null;
  /** W3C trace context of the request that set the run going, so that its trace goes on in the job. Absent or null: not traced. */
  readonly traceparent?: string | null;
  readonly fingerprint: string;
  readonly request: ImageRequest;
  /** The final prompt, the provider, the model and the size that were, or will first be, sent. */
  readonly prompt: string;
  readonly provider: string;
  readonly model: string;
  readonly requestedSize: Size;
  readonly revisedPrompt: string | null;
  readonly attempts: readonly Attempt[];
  readonly original: Original | null;
  readonly master: MediaFile | null;
  /** Those that are published, in the order of the request. */
  readonly renditions: readonly MediaFile[];
  /** Renditions of a succeeded image that are still to be made. */
  readonly pending: readonly RenditionSpec[];
  /** Of the master, base64. */
  readonly thumbhash: string | null;
  /** Of the master, as `#rrggbb`. */
  readonly dominantColour: string | null;
  readonly checks: readonly Check[];
  /** Of all attempts together. */
  readonly cost: Cost;
  /** What the next call is expected to cost at most: held back from the budget while the image is queued. */
  readonly estimate: Cost;
  readonly warnings: readonly Warning[];
  /** All times are ISO 8601, UTC. */
  readonly createdAt: string;
  readonly completedAt: string | null;
  readonly expiresAt: string | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
}

/** The parts of an image that each run makes anew. */
export const NO_RESULT = {
  master: null,
  renditions: [],
  pending: [],
  thumbhash: null,
  dominantColour: null,
  checks: [],
  completedAt: null,
  error: null,
} as const satisfies Partial<Image>;

/** Whether an unfinished image is finished once more, because files of it are gone. It was judged and told of when it was made. */
export function isRepair({ completedAt }: Image): boolean {
  return completedAt !== null;
}

/** Whether this is still the image that the work began for, and not another one of its name. */
export function hasSameOriginal(current: Image | null, image: Image): boolean {
  return current?.status === 'succeeded' && current.original?.name === image.original?.name;
}
