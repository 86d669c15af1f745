/**
 * Every legal change of an image, as pure functions: with those by its calls, in `attempt-transitions.ts`, and by its caller, in
 * `patched.ts`, the one place where its life cycle is written down.
 *
 * Each takes the image as it is stored and returns it as it is to be stored, or null where the change is not legal in the image's
 * present state. `RecordStore.update` takes null as "leave it as it is", so a write that comes too late changes nothing.
 *
 * No change drops an attempt, but for old ones that go into a sum (`boundedAttempts`), the cost of a call, or what makes the picture:
 * of the request only the `CHANGEABLE_FIELDS` change, by `patched`.
 * None checks that the caller's run is still the present one, and its claim the latest; the pipeline's `advance` does.
 */

import { renditionName } from '../file-names.ts';
import type { RenditionSpec } from '../formats.ts';
import {
  canRunAgain,
  hasEndedWithoutPicture,
  type Image,
  isFinished,
  isRepair,
  type MediaFile,
  NO_RESULT,
  PICTURE_KEPT,
  type Warning,
} from '../image.ts';
import { ZERO_COST } from '../money.ts';
import { leavingReplaced } from './leftovers.ts';
import { entering, enteringQueue } from './times.ts';

/** The fields that describe the call that will make the picture, or has made it. */
export type PlannedFields = Pick<Image, 'provider' | 'model' | 'prompt' | 'requestedSize' | 'warnings'>;

/** A new request: the fields that never change again, and the plan of its first call. */
export interface AcceptedRequest
  extends Pick<Image, 'mediaId' | 'owner' | 'idempotencyKey' | 'call' | 'request' | 'createdAt' | 'expiresAt'> {
  readonly traceparent: string | null;
  readonly requestId?: string | null;
  readonly planned: PlannedFields;
  /** Reserved in the budget until the first call is opened. */
  readonly estimate: Image['estimate'];
}

/** A request that starts a new run, with the plan to use where the image has no sound original. */
interface RepeatedRequest
  extends Pick<AcceptedRequest, 'planned' | 'estimate' | 'traceparent' | 'requestId' | 'expiresAt'>,
    Pick<Image, 'requestedAt'> {
  /** Whether the caller knows that the run may cost again: it then has an allowance of unknown outcomes of its own. */
  readonly mayCostAgain: boolean;
}

/** The results of finishing an original. The files are published already. */
export interface FinishedParts
  extends Pick<Image, 'renditions' | 'pending' | 'thumbhash' | 'dominantColour' | 'checks' | 'warnings'> {
  readonly master: MediaFile;
  readonly thumbnail: MediaFile;
}

/** Why a run failed. */
interface Failure {
  readonly error: NonNullable<Image['error']>;
  /** Empty where the picture was not checked; the recorded results then stay. */
  readonly checks: Image['checks'];
  /** Whether the picture itself is unusable, so that it must not be finished again. */
  readonly rejected: boolean;
}

/** A new image: queued, in its first run, with nothing made or paid yet. */
export function accepted({ planned, ...request }: AcceptedRequest): Image {
  return {
    ...request,
    ...NO_RESULT,
    ...plannedFields(planned),
    ...enteringQueue(1, request.createdAt),
    pinned: false,
    allowanceFrom: 1,
    requestedAt: request.createdAt,
    ttlSince: null,
    revisedPrompt: null,
    attempts: [],
    original: null,
    cost: ZERO_COST,
  };
}

/**
 * A process has claimed the job of the image: from now on only this claim advances the run. A new run keeps it, since the claims of later
 * jobs are greater. Legal unless a later claim was made; the image itself where it is this claim's already.
 */
export function claimed(image: Image, claim: number): Image | null {
  if (image.claim !== undefined && image.claim > claim) return null;
  return image.claim === claim ? image : { ...image, claim };
}

/** The stored original is finished again, without another call. Legal in every unfinished state, with a sound original. */
export function resumed(image: Image, at: string): Image | null {
  if (isFinished(image.status) || !image.original?.sound) return null;
  return { ...image, warnings: withoutKept(image.warnings), ...entering(image, 'processing', at) };
}

/**
 * The picture was rejected, and the same run pays for another. The rejected original stays in the record but is not finished again.
 * Legal while a sound original is processed for the first time.
 */
export function setAside(image: Image, at: string): Image | null {
  if (image.status !== 'processing' || !image.original?.sound || isRepair(image)) return null;
  return { ...image, ...entering(image, 'generating', at), original: { ...image.original, sound: false } };
}

/**
 * The files are published. Legal while the image is processing. A repair keeps the checks and the time of the first completion.
 * Warnings of an earlier finish are not repeated, and planned `enlarged` warnings give way to those of the actual picture.
 */
export function finished(image: Image, parts: FinishedParts, completedAt: string): Image | null {
  if (image.status !== 'processing' || image.original === null) return null;
  const { checks, warnings, ...made } = parts;
  const kept = image.warnings.filter(({ code }) => code !== 'enlarged');
  return leavingReplaced(image, {
    ...image,
    ...made,
    ...entering(image, 'succeeded', completedAt),
    checks: isRepair(image) ? image.checks : checks,
    warnings: [...kept, ...newWarnings(kept, warnings)],
    completedAt: image.completedAt ?? completedAt,
  });
}

/**
 * The run ended without a finished picture. Legal in every unfinished state. A sound original stays sound, so that the next run can
 * start from it, unless it was rejected; a repair rejects nothing, since its picture was accepted before.
 */
export function failed(image: Image, { error, checks, rejected }: Failure, completedAt: string): Image | null {
  if (isFinished(image.status)) return null;
  const { original } = image;
  return {
    ...image,
    ...entering(image, 'failed', completedAt),
    error,
    checks: checks.length > 0 ? checks : image.checks,
    original: original && { ...original, sound: original.sound && (!rejected || isRepair(image)) },
    completedAt: image.completedAt ?? completedAt,
  };
}

/** The caller cancelled the image. Legal in every unfinished state. A running call stays open until it ends. */
export function cancelled(image: Image, completedAt: string): Image | null {
  if (isFinished(image.status)) return null;
  return { ...image, ...entering(image, 'cancelled', completedAt), completedAt };
}

/**
 * The same request came again and starts a new run, whose retention begins anew. A sound original stays, with the fields that
 * describe how it was made; without one these fields are those of the new plan. Legal where `canRunAgain` holds, and with
 * `mayCostAgain` for every failed or cancelled image.
 */
export function rerun(image: Image, repeated: RepeatedRequest): Image | null {
  const { planned, estimate, traceparent, requestId = null, requestedAt, expiresAt, mayCostAgain } = repeated;
  if (!(mayCostAgain ? hasEndedWithoutPicture(image) : canRunAgain(image))) return null;
  const origin = image.original?.sound
    ? { warnings: withoutKept(image.warnings) }
    : { ...plannedFields(planned), revisedPrompt: null };
  const run = image.run + 1;
  return leavingReplaced(image, {
    ...image,
    ...origin,
    ...NO_RESULT,
    estimate,
    traceparent,
    requestId,
    requestedAt,
    expiresAt,
    ttlSince: null,
    ...enteringQueue(run, requestedAt),
    allowanceFrom: mayCostAgain ? run : image.allowanceFrom,
  });
}

/**
 * Published files were lost and are made again. Legal for a succeeded image with a sound original, if one of its files is among
 * `lost` (file names). If the master is, the whole image is processed again; otherwise only the lost renditions become pending, and a lost
 * thumbnail is to be made.
 */
export function requeuedForRepair(image: Image, lost: readonly string[], at: string): Image | null {
  if (image.status !== 'succeeded' || !image.original?.sound) return null;
  const renditions = image.renditions.filter(({ name }) => !lost.includes(name));
  if (image.master === null || lost.includes(image.master.name)) {
    // A rendition that could not be made before is tried again with the rest.
    const warnings = image.warnings.filter(({ code }) => code !== 'rendition_failed');
    // The trace of the request that made the image has ended.
    const repaired = {
      ...entering(image, 'processing', at),
      master: null,
      thumbnail: null,
      renditions,
      pending: [],
      warnings,
      traceparent: null,
    } as const;
    return leavingReplaced(image, { ...image, ...repaired });
  }
  const lostNames = image.renditions.map(({ name }) => name).filter((name) => lost.includes(name));
  const { thumbnail = null } = image;
  const isThumbnailLost = thumbnail !== null && lost.includes(thumbnail.name);
  if (lostNames.length === 0 && !isThumbnailLost) return null;
  const again = image.request.renditions.filter((spec) => lostNames.includes(renditionName(image.mediaId, spec)));
  return leavingReplaced(image, {
    ...image,
    ...(isThumbnailLost && { thumbnail: null }),
    renditions,
    pending: [...image.pending, ...again],
  });
}

/**
 * A deferred rendition is published. It takes its place in the order of the request and is no longer pending.
 * Legal for a succeeded image whose request has this rendition.
 */
export function withRendition(image: Image, file: MediaFile): Image | null {
  const nameOf = renditionNames(image);
  const isRequested = image.request.renditions.some((spec) => nameOf(spec) === file.name);
  if (image.status !== 'succeeded' || !isRequested) return null;
  const files = new Map([...image.renditions, file].map((rendition) => [rendition.name, rendition]));
  return leavingReplaced(image, {
    ...image,
    renditions: image.request.renditions.flatMap((spec) => files.get(nameOf(spec)) ?? []),
    pending: image.pending.filter((spec) => nameOf(spec) !== file.name),
  });
}

/** The thumbnail of a picture that had none is published. Legal for a succeeded image with this master and no thumbnail. */
export function withThumbnail(image: Image, master: MediaFile, thumbnail: MediaFile): Image | null {
  const isOfMaster = image.status === 'succeeded' && image.master?.sha256 === master.sha256;
  return isOfMaster && !image.thumbnail ? { ...image, thumbnail } : null;
}

/**
 * Deferred renditions could not be made: a `rendition_failed` warning replaces each that was tried. The image stays succeeded, and
 * renditions that became pending after the try stay pending. Legal for a succeeded image while one of `tried` is pending.
 */
export function renditionsGivenUp(image: Image, tried: readonly RenditionSpec[], reason: string): Image | null {
  const nameOf = renditionNames(image);
  const triedNames = new Set(tried.map(nameOf));
  const givenUp = image.pending.map(nameOf).filter((name) => triedNames.has(name));
  if (image.status !== 'succeeded' || givenUp.length === 0) return null;
  const warningOf = (name: string): Warning => ({
    code: 'rendition_failed',
    detail: `${name} could not be made: ${reason}`,
  });
  const pending = image.pending.filter((spec) => !triedNames.has(nameOf(spec)));
  return { ...image, pending, warnings: [...image.warnings, ...givenUp.map(warningOf)] };
}

/** Adds the warnings that are not in the record yet. Legal unless the image failed or was cancelled. */
export function withWarnings(image: Image, warnings: readonly Warning[]): Image | null {
  if (image.status === 'failed' || image.status === 'cancelled') return null;
  return { ...image, warnings: [...image.warnings, ...newWarnings(image.warnings, warnings)] };
}

/** Those of `more` that are not among `warnings` yet, by their detail. */
export function newWarnings(warnings: readonly Warning[], more: readonly Warning[]): readonly Warning[] {
  return more.filter(({ detail }) => warnings.every((one) => one.detail !== detail));
}

export function plannedFields({ provider, model, prompt, requestedSize, warnings }: PlannedFields): PlannedFields {
  return { provider, model, prompt, requestedSize, warnings };
}

/** Without the warning that a picture waits for the next request, which has come. */
function withoutKept(warnings: readonly Warning[]): readonly Warning[] {
  return warnings.filter(({ code }) => code !== PICTURE_KEPT.code);
}

function renditionNames({ mediaId }: Image): (spec: RenditionSpec) => string {
  return (spec) => renditionName(mediaId, spec);
}
