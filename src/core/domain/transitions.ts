/**
 * Every legal change of an image, as pure functions: the one place where its life cycle is written down.
 *
 * Each takes the image as it is stored and gives it as it is to be stored. A change that is not legal in the image's present
 * state gives null, which `RecordStore.update` takes as "leave it as it is", so a write that comes too late changes nothing.
 *
 * No change drops an attempt, the cost of a call that brought a picture, or the request with its mediaId, owner and fingerprint.
 * Whether a run may still write is for its caller to check first: the pipeline's `advance` does.
 */

import { renditionName } from './file-names.ts';
import type { RenditionSpec } from './formats.ts';
import {
  type Attempt,
  type AttemptOutcome,
  type Image,
  isFinished,
  isRepair,
  type MediaFile,
  NO_RESULT,
  type Original,
  PICTURE_KEPT,
  type Warning,
} from './image.ts';
import { addCosts, ZERO_COST } from './money.ts';

/** What a record says of the call that will make the picture, or has made it. */
export type PlannedFields = Pick<Image, 'provider' | 'model' | 'prompt' | 'requestedSize' | 'warnings'>;

/** A new request: what does not change in the image's whole life, and the plan of its first call. */
export interface AcceptedRequest
  extends Pick<Image, 'mediaId' | 'owner' | 'idempotencyKey' | 'fingerprint' | 'request' | 'createdAt' | 'expiresAt'> {
  readonly traceparent: string | null;
  readonly planned: PlannedFields;
  /** Held back from the budget until the first call is opened. */
  readonly estimate: Image['estimate'];
}

/** The same request once more, with the plan that holds where the image has no sound original. */
export type RepeatedRequest = Pick<AcceptedRequest, 'planned' | 'estimate' | 'traceparent'>;

/** How a call ended that brought no picture. */
export interface CallEnd extends Pick<Attempt, 'httpStatus' | 'providerRequestId'> {
  readonly outcome: Exclude<AttemptOutcome, 'ok'>;
  readonly durationMs: number;
}

/** A picture that a call brought; the bytes of `original` are durable already. */
export interface ReceivedPicture extends Pick<Attempt, 'httpStatus' | 'providerRequestId' | 'cost'> {
  readonly durationMs: number;
  readonly original: Original;
  readonly revisedPrompt: string | null;
}

/** What finishing made of the original; the files are published already. */
export interface FinishedParts
  extends Pick<Image, 'renditions' | 'pending' | 'thumbhash' | 'dominantColour' | 'checks' | 'warnings'> {
  readonly master: MediaFile;
}

/** Why a run failed. */
export interface Failure {
  readonly error: NonNullable<Image['error']>;
  /** Empty where the picture was not checked: those on record stay. */
  readonly checks: Image['checks'];
  /** Whether the picture itself was judged unusable, so that it is not finished again. */
  readonly rejected: boolean;
}

/** A new image: queued, in its first run, with nothing made or paid for yet. */
export function accepted({ planned, ...request }: AcceptedRequest): Image {
  return {
    ...request,
    ...NO_RESULT,
    ...plannedFields(planned),
    status: 'queued',
    run: 1,
    revisedPrompt: null,
    attempts: [],
    original: null,
    cost: ZERO_COST,
  };
}

/**
 * A call is about to be sent. Its estimate counts as its cost until more is known.
 * Legal while the image is queued or generating, for an attempt of the present run. Takes over the call's plan.
 */
export function opened(image: Image, attempt: Attempt, planned: PlannedFields): Image | null {
  const mayCall = image.status === 'queued' || image.status === 'generating';
  const isNew = image.attempts.every(({ id }) => id !== attempt.id);
  if (!mayCall || !isNew || attempt.run !== image.run) return null;
  return { ...withAttempts(image, [...image.attempts, attempt]), ...plannedFields(planned), status: 'generating' };
}

/**
 * A call ended without a picture. One that failed costs nothing; any other may have been billed and keeps its estimate.
 * Legal in every state, since the image may have been cancelled meanwhile, but once for each attempt.
 */
export function closed(image: Image, attemptId: string, end: CallEnd): Image | null {
  return withEnded(image, attemptId, end.outcome === 'failed' ? { ...end, cost: ZERO_COST } : end);
}

/** The picture arrived. Legal while the image is generating, for an open attempt of the present run. */
export function received(image: Image, attemptId: string, picture: ReceivedPicture): Image | null {
  if (!isAwaited(image, attemptId)) return null;
  const next = withPaid(image, attemptId, picture);
  return next && { ...next, status: 'processing', original: picture.original, revisedPrompt: picture.revisedPrompt };
}

/**
 * The picture arrived although its run was over, because the image was cancelled. It was paid for, so it becomes the original
 * that the next run starts from. Legal in every state in which `received` is not, for an open attempt. The status stays.
 * An image that is being made from another original, or has been, keeps that one: its files must agree with it.
 */
export function keptAfterCancel(image: Image, attemptId: string, picture: ReceivedPicture): Image | null {
  if (isAwaited(image, attemptId)) return null;
  const next = withPaid(image, attemptId, picture);
  if (next === null || image.status === 'processing' || image.status === 'succeeded') return next;
  const { original, revisedPrompt } = picture;
  return { ...next, original, revisedPrompt, warnings: [...image.warnings, PICTURE_KEPT] };
}

/**
 * The bytes of a call that was never closed were found after a restart: its picture had arrived. It may be a call of an
 * earlier run. `planned` is the plan of the provider that made it, null where the record's own still holds.
 * Legal in every unfinished state, for an open attempt, which keeps its estimate as its cost.
 */
export function adopted(
  image: Image,
  attemptId: string,
  original: Original,
  planned: PlannedFields | null,
): Image | null {
  const next = isFinished(image.status) ? null : withEnded(image, attemptId, { outcome: 'ok' });
  return next && { ...next, ...(planned && plannedFields(planned)), status: 'processing', original };
}

/** The stored original is finished again instead of paying for another. Legal in every unfinished state, with a sound original. */
export function resumed(image: Image): Image | null {
  if (isFinished(image.status) || !image.original?.sound) return null;
  return { ...image, status: 'processing' };
}

/**
 * The picture was rejected and the same run pays for one more. Legal while a sound original is processed for the first time.
 * The rejected original stays on record, and is not finished again.
 */
export function setAside(image: Image): Image | null {
  if (image.status !== 'processing' || !image.original?.sound || isRepair(image)) return null;
  return { ...image, status: 'generating', original: { ...image.original, sound: false } };
}

/**
 * The files are published. Legal while the image is processing. A repair keeps the checks and the time of the first
 * completion, and repeats no warning. What was planned to be enlarged is described by the picture that came.
 */
export function finished(image: Image, parts: FinishedParts, completedAt: string): Image | null {
  if (image.status !== 'processing' || image.original === null) return null;
  const { checks, warnings, ...made } = parts;
  const kept = image.warnings.filter(({ code }) => code !== 'enlarged');
  return {
    ...image,
    ...made,
    status: 'succeeded',
    checks: isRepair(image) ? image.checks : checks,
    warnings: [...kept, ...newWarnings(kept, warnings)],
    completedAt: image.completedAt ?? completedAt,
  };
}

/**
 * The run ended without a finished picture. Legal in every unfinished state. A sound original stays sound, for the next run
 * to start from, unless it was rejected; a repair rejects nothing, since its picture was accepted once.
 */
export function failed(image: Image, { error, checks, rejected }: Failure, completedAt: string): Image | null {
  if (isFinished(image.status)) return null;
  const { original } = image;
  return {
    ...image,
    status: 'failed',
    error,
    checks: checks.length > 0 ? checks : image.checks,
    original: original && { ...original, sound: original.sound && (!rejected || isRepair(image)) },
    completedAt: image.completedAt ?? completedAt,
  };
}

/** The caller gave the image up. Legal in every unfinished state. A call under way stays open until it ends. */
export function cancelled(image: Image, completedAt: string): Image | null {
  if (isFinished(image.status)) return null;
  return { ...image, status: 'cancelled', completedAt };
}

/**
 * The same request came again: a new run. Legal for failed and cancelled images. A sound original stays, with all that is
 * true of how it was made; without one the record says how it will be made.
 */
export function rerun(image: Image, { planned, estimate, traceparent }: RepeatedRequest): Image | null {
  if (image.status !== 'failed' && image.status !== 'cancelled') return null;
  const origin = image.original?.sound
    ? { warnings: image.warnings.filter(({ code }) => code !== PICTURE_KEPT.code) }
    : { ...plannedFields(planned), revisedPrompt: null };
  return { ...image, ...origin, ...NO_RESULT, estimate, traceparent, status: 'queued', run: image.run + 1 };
}

/**
 * Published files were lost and are made again. Legal for a succeeded image with a sound original of which a file is among
 * `lost` (file names). With its master the whole image is processed again, otherwise only those renditions become pending.
 */
export function requeuedForRepair(image: Image, lost: readonly string[]): Image | null {
  if (image.status !== 'succeeded' || !image.original?.sound) return null;
  const renditions = image.renditions.filter(({ name }) => !lost.includes(name));
  if (image.master === null || lost.includes(image.master.name)) {
    // A rendition that could not be made before is tried again with the rest.
    const warnings = image.warnings.filter(({ code }) => code !== 'rendition_failed');
    // The trace of the request that the image was made for has ended.
    return { ...image, status: 'processing', master: null, renditions, pending: [], warnings, traceparent: null };
  }
  const lostNames = image.renditions.map(({ name }) => name).filter((name) => lost.includes(name));
  if (lostNames.length === 0) return null;
  const again = image.request.renditions.filter((spec) => lostNames.includes(renditionName(image.mediaId, spec)));
  return { ...image, renditions, pending: [...image.pending, ...again] };
}

/**
 * A deferred rendition is published: it takes its place in the order of the request and is no longer pending.
 * Legal for a succeeded image whose request has it.
 */
export function withRendition(image: Image, file: MediaFile): Image | null {
  const nameOf = renditionNames(image);
  const isRequested = image.request.renditions.some((spec) => nameOf(spec) === file.name);
  if (image.status !== 'succeeded' || !isRequested) return null;
  const files = new Map([...image.renditions, file].map((rendition) => [rendition.name, rendition]));
  return {
    ...image,
    renditions: image.request.renditions.flatMap((spec) => files.get(nameOf(spec)) ?? []),
    pending: image.pending.filter((spec) => nameOf(spec) !== file.name),
  };
}

/**
 * Deferred renditions could not be made: a warning takes the place of each. Legal for a succeeded image of which one of
 * `tried` is pending. The master stands, so the image stays succeeded; what became pending after the try stays pending.
 */
export function renditionsGivenUp(image: Image, tried: readonly RenditionSpec[], reason: string): Image | null {
  const nameOf = renditionNames(image);
  const triedNames = new Set(tried.map(nameOf));
  const givenUp = image.pending.map(nameOf).filter((name) => triedNames.has(name));
  if (image.status !== 'succeeded' || givenUp.length === 0) return null;
  const warningOf = (name: string) => ({ code: 'rendition_failed', detail: `${name} could not be made: ${reason}` });
  const pending = image.pending.filter((spec) => !triedNames.has(nameOf(spec)));
  return { ...image, pending, warnings: [...image.warnings, ...givenUp.map(warningOf)] };
}

/** The image with those of the warnings that it does not have yet. Legal unless it failed or was cancelled. */
export function withWarnings(image: Image, warnings: readonly Warning[]): Image | null {
  if (image.status === 'failed' || image.status === 'cancelled') return null;
  return { ...image, warnings: [...image.warnings, ...newWarnings(image.warnings, warnings)] };
}

/** Warnings that are not in the record yet. */
export function newWarnings(warnings: readonly Warning[], more: readonly Warning[]): readonly Warning[] {
  return more.filter(({ detail }) => warnings.every((one) => one.detail !== detail));
}

function plannedFields({ provider, model, prompt, requestedSize, warnings }: PlannedFields): PlannedFields {
  return { provider, model, prompt, requestedSize, warnings };
}

function renditionNames({ mediaId }: Image): (spec: RenditionSpec) => string {
  return (spec) => renditionName(mediaId, spec);
}

/** Whether a picture of this attempt is what the image's present run waits for. */
function isAwaited({ status, run, attempts }: Image, attemptId: string): boolean {
  return status === 'generating' && attempts.some((attempt) => attempt.id === attemptId && attempt.run === run);
}

function withPaid(image: Image, attemptId: string, picture: ReceivedPicture): Image | null {
  const { durationMs, httpStatus, providerRequestId, cost } = picture;
  return withEnded(image, attemptId, { outcome: 'ok', durationMs, httpStatus, providerRequestId, cost });
}

/** The image with an open attempt ended; null where it has no such attempt, or that one has ended before. */
function withEnded(image: Image, attemptId: string, end: Partial<Attempt>): Image | null {
  const isOpen = ({ id, outcome, durationMs }: Attempt) =>
    id === attemptId && outcome === 'unknown' && durationMs === null;
  if (!image.attempts.some(isOpen)) return null;
  const attempts = image.attempts.map((attempt) => (isOpen(attempt) ? { ...attempt, ...end } : attempt));
  return withAttempts(image, attempts);
}

function withAttempts(image: Image, attempts: readonly Attempt[]): Image {
  return { ...image, attempts, cost: attempts.map(({ cost }) => cost).reduce(addCosts, ZERO_COST) };
}
