/**
 * An image and its life cycle. The glossary of the project:
 *
 * - **request**: what the caller asks for, with every default resolved. `differingFields` says which requests are the same.
 * - **image**: the durable record of one picture to make, named by its mediaId. `toRecord` gives the form that callers see.
 * - **job**: the work that is left on an image. Every unfinished image is a job, and every succeeded one with pending renditions;
 *   the queue holds nothing else.
 * - **run**: the work from one request to the end of the image. A failed or cancelled image gets a new one when it is requested again
 *   and that costs nothing by itself (`canRunAgain`), or when the caller says that it may cost again.
 * - **attempt**: one call to a provider. It is recorded before it is sent and closed after it, so that a crash leaves a trace of it.
 * - **announced** picture: one that the answer of a call named by its URL instead of holding it. It is paid for, and still to be fetched.
 * - **original**: the bytes that the model returned, unchanged. **master**: the picture at exactly the requested size.
 *   **rendition**: the master in another size or format; a **deferred** one is made after the master is published.
 *
 * Life cycle: queued → generating → processing → succeeded, or from any of the first three to failed or cancelled. A succeeded image
 * whose master is lost goes back to processing, which is a **repair**. `transitions.ts` has every legal change.
 */

import type { Check } from './checks.ts';
import type { DigitalSourceType } from './digital-source.ts';
import type { RenditionFormat, RenditionSpec } from './formats.ts';
import type { Size } from './geometry.ts';
import type { Cost, TokenUsage } from './money.ts';
import type { ImageCall, ImageRequest } from './request.ts';

export const FINISHED_STATUSES = ['succeeded', 'failed', 'cancelled'] as const;
export type FinishedStatus = (typeof FINISHED_STATUSES)[number];

export const IMAGE_STATUSES = ['queued', 'generating', 'processing', ...FINISHED_STATUSES] as const;
export type ImageStatus = (typeof IMAGE_STATUSES)[number];

/** The durable record of an image. All times are ISO 8601, UTC. */
export interface Image {
  readonly mediaId: string;
  readonly status: ImageStatus;
  /** When it took its status and left the queue: `life-cycle/times.ts`. Absent from records from before this field existed. */
  readonly times?: StatusTimes;
  /** Number of the present run, from 1. */
  readonly run: number;
  /** The token of the latest claim of its job (`RunJob`): only the holder advances the run. Absent: none was made. */
  readonly claim?: number;
  /** Name of the API key that made it; `anonymous` where no keys are configured. */
  readonly owner: string;
  readonly idempotencyKey: string | null;
  /** The call of the OpenAI dialect that it was made by; absent for an image of `POST /images`. */
  readonly call?: ImageCall;
  /** W3C trace context of the request that started the run; the trace of the job continues it. Absent or null: none. */
  readonly traceparent?: string | null;
  /** Id of the request that started the run, for the log. Absent or null: none, or an image of an older Easel. */
  readonly requestId?: string | null;
  readonly request: ImageRequest;
  /** The final prompt, the provider, the model and the size of the call that made the picture, or of the next one. */
  readonly prompt: string;
  readonly provider: string;
  readonly model: string;
  readonly requestedSize: Size;
  /** The prompt as the provider rewrote it; null where it did not say. */
  readonly revisedPrompt: string | null;
  /**
   * Number of the run from which unknown outcomes are counted against `ambiguousRetries`: the first, or the latest that the caller
   * began knowing that it may cost again.
   */
  readonly allowanceFrom: number;
  /** The attempts of all runs, oldest first, without those that were left out. */
  readonly attempts: readonly Attempt[];
  /** The attempts that were left out, in sum (`attempt-list.ts`); absent where none was. */
  readonly omitted?: OmittedAttempts;
  readonly original: Original | null;
  readonly master: MediaFile | null;
  /** The published renditions, in the order of the request. */
  readonly renditions: readonly MediaFile[];
  /** A small copy of the master. Null or absent of a succeeded image: made at the first request, as for images of an older Easel. */
  readonly thumbnail?: MediaFile | null;
  /** Renditions of a succeeded image that are still to be made. */
  readonly pending: readonly RenditionSpec[];
  /**
   * Names in the media store of files that were published for the image and that it does not have, or no longer: `leftovers.ts`. Absent:
   * none, as everywhere where one process alone publishes.
   */
  readonly leftovers?: readonly string[];
  /** Of the master, base64. */
  readonly thumbhash: string | null;
  /** Of the master, as `#rrggbb`. */
  readonly dominantColour: string | null;
  readonly checks: readonly Check[];
  /** The cost of all attempts together. */
  readonly cost: Cost;
  /** The most that the next call is expected to cost: reserved in the budget while the image is queued. */
  readonly estimate: Cost;
  readonly warnings: readonly Warning[];
  readonly createdAt: string;
  /** When the present run was requested. Retention counts from here. */
  readonly requestedAt: string;
  /** When the run ended. A repair keeps the time of the first completion, unless it is cancelled. */
  readonly completedAt: string | null;
  /** Null: by the configured retention. */
  readonly expiresAt: string | null;
  /** Whether the caller has pinned it by this field; ask `isPinned`. Absent: no. */
  readonly pinned?: boolean;
  /** When the request got the `ttlSeconds` that it has, where that was later than `requestedAt`; absent or null otherwise. */
  readonly ttlSince?: string | null;
  /** Why a failed image failed. */
  readonly error: { readonly code: string; readonly detail: string } | null;
}

/** Times of the status and the run that they name; an older Easel, which does not write them, may have changed these since. */
export interface StatusTimes extends Pick<Image, 'status' | 'run'> {
  readonly since: string;
  /** When the run left the queue; null until then. */
  readonly startedAt: string | null;
}

/**
 * How a call to a provider ended: `ok`, `failed` (known not to be billed), `unknown` (may be billed) or `cancelled`. An open attempt
 * is `unknown` with a null duration, so its outcome is right even if the process dies before it is closed.
 */
export const ATTEMPT_OUTCOMES = ['ok', 'failed', 'unknown', 'cancelled'] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/** One call to a provider. */
export interface Attempt {
  /** Part of the name of the original's file, so that a restart can tell whether this call returned a picture. */
  readonly id: string;
  /** The run that it belongs to; limits on attempts count within a run. */
  readonly run: number;
  readonly provider: string;
  readonly model: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** Null while the attempt is open: for ever, if the process died during the call. */
  readonly durationMs: number | null;
  readonly outcome: AttemptOutcome;
  readonly httpStatus: number | null;
  readonly providerRequestId: string | null;
  /** The estimate until the answer says what the call took, and for ever where it never does; zero for a call that failed. */
  readonly cost: Cost;
  /** As the answer reported it; absent where it did not, or where no answer came. */
  readonly usage?: TokenUsage;
  /** Set where the answer named its picture instead of holding it. The picture is paid for, and may be there as long as its URL lives. */
  readonly announced: AnnouncedPicture | null;
}

/** Attempts that are no longer on record: how many, and their cost together. */
export interface OmittedAttempts {
  readonly count: number;
  readonly cost: Cost;
}

/** A picture that a call's answer named by its URL. */
export interface AnnouncedPicture {
  /** Absolute, http or https. It may hold a signature, so it is not shown. */
  readonly url: string;
  readonly revisedPrompt: string | null;
}

/** The stored bytes of a picture as the model returned it. */
export interface Original {
  /** Name in the media store, below `originals/`. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  /** False once the picture failed its checks. It is kept, but not finished again. */
  readonly sound: boolean;
  /** That of the provider that made it. Absent from records from before this field existed: all files then said that a model made them. */
  readonly digitalSourceType?: DigitalSourceType;
}

/** One published file: the master or a rendition. */
export interface MediaFile extends Size {
  /** The last part of its URL; also its name in the media store, unless `stored` says another. */
  readonly name: string;
  /**
   * Its name in the media store where several processes publish: with its checksum in it, so that a late write of one that lost its claim
   * meets no file that is published. Absent: `name`.
   */
  readonly stored?: string;
  readonly format: RenditionFormat;
  readonly bytes: number;
  readonly sha256: string;
}

/** Codes of warnings: a closed list. */
export const WARNING_CODES = [
  'parameter_dropped',
  'parameter_mapped',
  'model_mapped',
  'prompt_changed',
  'provider_fallback',
  'regenerated',
  'enlarged',
  'repaired',
  'resized',
  'highlights_clipped',
  'credentials_dropped',
  'not_signed',
  'rendition_failed',
  'picture_kept',
  'picture_failed',
] as const;
type WarningCode = (typeof WARNING_CODES)[number];

/** Something that the caller should know about an image, although it is not a failure. */
export interface Warning {
  readonly code: WarningCode;
  readonly detail: string;
}

/** Warning on an image whose picture arrived after it was cancelled. Cleared when the image is requested again. */
export const PICTURE_KEPT: Warning = {
  code: 'picture_kept',
  detail: 'the picture arrived although the image was cancelled; the same request finishes it without paying again',
};

/** The result fields as they are before an image is finished. */
export const NO_RESULT = {
  master: null,
  renditions: [],
  thumbnail: null,
  pending: [],
  thumbhash: null,
  dominantColour: null,
  checks: [],
  completedAt: null,
  error: null,
} as const satisfies Partial<Image>;

/**
 * True for succeeded, failed and cancelled images: the run has ended. Pending renditions, a repair or a picture that arrives late can
 * still change the record.
 */
export function isFinished(status: ImageStatus): status is FinishedStatus {
  return FINISHED_STATUSES.some((finished) => finished === status);
}

/** True for a failed or cancelled image: only such an image can run again. */
export function hasEndedWithoutPicture({ status }: Image): boolean {
  return status === 'failed' || status === 'cancelled';
}

/**
 * True for an image that an equal request runs again: a cancelled one, and a failed one that has a sound original, which is then
 * finished without a call, or whose calls are known not to be billed. A failure that was or may have been billed, or that would
 * repeat, answers the request as it stands.
 */
export function canRunAgain(image: Image): boolean {
  if (image.status === 'cancelled') return true;
  if (image.status !== 'failed') return false;
  if (image.original?.sound) return true;
  const code = image.error?.code;
  return code !== 'prompt_rejected' && code !== 'invalid_image' && !mayHaveBeenBilled(image);
}

/** True where a call that counts for the present run brought a picture, which was no good, or has an unknown outcome. */
function mayHaveBeenBilled({ attempts, allowanceFrom }: Image): boolean {
  return attempts.some(({ run, outcome }) => run >= allowanceFrom && (outcome === 'ok' || outcome === 'unknown'));
}

/** Number of calls of unknown outcome that count against `ambiguousRetries`, those of earlier processes included. */
export function countedUnknowns({ attempts, allowanceFrom }: Image): number {
  return attempts.filter(({ run, outcome }) => run >= allowanceFrom && outcome === 'unknown').length;
}

/** True for an attempt that was never closed: it runs, or its process died during the call. */
export function isOpen({ outcome, durationMs }: Attempt): boolean {
  return outcome === 'unknown' && durationMs === null;
}

/** True for an attempt that brought no picture yet, whose picture may still be found: in the media store, or at its URL. */
export function mayStillBring(attempt: Attempt): boolean {
  return isOpen(attempt) || (attempt.outcome === 'unknown' && attempt.announced !== null);
}

/**
 * True for the image that `found` is, as it stands now; false for another that was made under its mediaId after it was deleted. A
 * mediaId is one space for all keys, so what was checked of the one holds for the other in nothing.
 */
export function isSameImage(found: ImageIdentity, { owner, createdAt }: ImageIdentity): boolean {
  return owner === found.owner && createdAt === found.createdAt;
}

type ImageIdentity = Pick<Image, 'owner' | 'createdAt'>;

/**
 * For an unfinished image, true when it had completed and is processed again because published files were lost (a repair). Its
 * checks and its webhook were done the first time and are not repeated, nor is its success counted again. Its completion time stays
 * too, unless it is cancelled.
 */
export function isRepair({ completedAt }: Image): boolean {
  return completedAt !== null;
}

/**
 * True while the record is succeeded and shows the original that the work on `image` began with. False while the image is repaired,
 * after it was requested again, and when a new image has taken its mediaId.
 */
export function hasSameOriginal(current: Image | null, image: Image): boolean {
  return current?.status === 'succeeded' && current.original?.name === image.original?.name;
}
