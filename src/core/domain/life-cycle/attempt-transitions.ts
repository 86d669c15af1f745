/** The changes of an image by its calls, as pure functions under the rules of `transitions.ts`. */

import { boundedAttempts } from '../attempt-list.ts';
import {
  type AnnouncedPicture,
  type Attempt,
  type AttemptOutcome,
  hasEndedWithoutPicture,
  type Image,
  isFinished,
  isOpen,
  mayStillBring,
  type Original,
  PICTURE_KEPT,
} from '../image.ts';
import { addCosts, ZERO_COST } from '../money.ts';
import { entering } from './times.ts';
import { type PlannedFields, plannedFields } from './transitions.ts';

/** An answer that named its picture by a URL. */
interface Announcement extends Pick<Attempt, 'httpStatus' | 'providerRequestId' | 'cost' | 'usage'> {
  readonly announced: AnnouncedPicture;
}

/** The end of a call that returned no picture. */
interface CallEnd extends Pick<Attempt, 'httpStatus' | 'providerRequestId'> {
  readonly outcome: Exclude<AttemptOutcome, 'ok'>;
  readonly durationMs: number;
}

/** A picture that a call returned. The bytes of `original` are durable already. */
export interface ReceivedPicture extends Pick<Attempt, 'httpStatus' | 'providerRequestId' | 'cost' | 'usage'> {
  /** When it was stored, ISO 8601, UTC. */
  readonly at: string;
  readonly durationMs: number;
  readonly original: Original;
  readonly revisedPrompt: string | null;
  /** The plan of its call, where that of another process may stand in the record; absent where the record has it. */
  readonly planned?: PlannedFields;
}

/**
 * A call is about to be sent. Its estimate counts as its cost until the call has ended, and its plan becomes the image's.
 * Legal while the image is queued or generating, for a new attempt of the present run.
 */
export function opened(image: Image, attempt: Attempt, planned: PlannedFields): Image | null {
  const mayCall = image.status === 'queued' || image.status === 'generating';
  const isNew = image.attempts.every(({ id }) => id !== attempt.id);
  if (!mayCall || !isNew || attempt.run !== image.run) return null;
  // Attempts are left out here alone, where none of them changes: what the ledger has of them is then what they cost.
  const bounded = { ...image, ...boundedAttempts(image, [...image.attempts, attempt]) };
  const entered = entering(image, 'generating', attempt.startedAt);
  return { ...withAttempts(bounded, bounded.attempts), ...plannedFields(planned), ...entered };
}

/**
 * A call ended without a picture. One that failed costs nothing; any other may have been billed and keeps its estimate.
 * Legal in every state, since the image may have been cancelled meanwhile, but only once for each attempt.
 */
export function closed(image: Image, attemptId: string, end: CallEnd): Image | null {
  return withEnded(image, attemptId, end.outcome === 'failed' ? { ...end, cost: ZERO_COST } : end);
}

/**
 * The answer arrived and names its picture by a URL. The attempt stays open until the picture is here, at what the call did cost.
 * Legal in every state, for an open attempt.
 */
export function announced(image: Image, attemptId: string, announcement: Announcement): Image | null {
  return withChanged(image, attemptId, isOpen, announcement);
}

/** A picture arrived. Legal while the image is generating, for an open attempt of the present run. */
export function received(image: Image, attemptId: string, picture: ReceivedPicture): Image | null {
  if (!isAwaited(image, attemptId)) return null;
  const next = withPaid(image, attemptId, picture);
  return next && { ...next, ...madeFrom(picture), ...entering(image, 'processing', picture.at) };
}

/**
 * A picture arrived after its run had ended, because the image was cancelled. It was paid for, so it becomes the original that
 * the next run starts from. Legal wherever `received` is not, for an open attempt. The status stays.
 * An image that is processing or succeeded keeps its own original, which its files are made from.
 */
export function keptAfterCancel(image: Image, attemptId: string, picture: ReceivedPicture): Image | null {
  if (isAwaited(image, attemptId)) return null;
  const next = withPaid(image, attemptId, picture);
  if (next === null || image.status === 'processing' || image.status === 'succeeded') return next;
  const kept = { ...next, ...madeFrom(picture) };
  return { ...kept, warnings: [...kept.warnings, PICTURE_KEPT] };
}

/**
 * A picture arrived at a process whose job was claimed by another meanwhile. It was paid for, so it becomes the original where the image
 * has no sound one; the work of the later claim goes on as it is. Legal in every state, for an open attempt. The status stays.
 */
export function keptAfterTakeover(image: Image, attemptId: string, picture: ReceivedPicture): Image | null {
  const next = withPaid(image, attemptId, picture);
  if (next === null || image.original?.sound || image.status === 'processing' || image.status === 'succeeded')
    return next;
  const kept = { ...next, ...madeFrom(picture) };
  return hasEndedWithoutPicture(image) ? { ...kept, warnings: [...kept.warnings, PICTURE_KEPT] } : kept;
}

/**
 * The picture of an attempt that brought none so far was found: in the media store after a restart, or still at the URL that its
 * answer had named. The attempt may be of an earlier run. `planned` is the plan of the provider that made it, or null where the plan
 * in the record is right. Legal in every unfinished state, where `mayStillBring` holds for the attempt, which keeps its cost.
 */
export function adopted(
  image: Image,
  attemptId: string,
  original: Original,
  planned: PlannedFields | null,
  at: string,
): Image | null {
  if (isFinished(image.status)) return null;
  const next = withChanged(image, attemptId, mayStillBring, { outcome: 'ok' });
  // What the record has is of another picture, one that was set aside.
  const revisedPrompt = image.attempts.find(({ id }) => id === attemptId)?.announced?.revisedPrompt ?? null;
  const entered = entering(image, 'processing', at);
  return next && { ...next, ...(planned && plannedFields(planned)), ...entered, original, revisedPrompt };
}

/** Whether the present run of the image is waiting for the picture of this attempt. */
function isAwaited({ status, run, attempts }: Image, attemptId: string): boolean {
  return status === 'generating' && attempts.some((attempt) => attempt.id === attemptId && attempt.run === run);
}

/** The fields that describe the picture. */
function madeFrom({ original, revisedPrompt, planned }: ReceivedPicture) {
  return { ...(planned && plannedFields(planned)), original, revisedPrompt };
}

function withPaid(image: Image, attemptId: string, picture: ReceivedPicture): Image | null {
  const { durationMs, httpStatus, providerRequestId, cost, usage } = picture;
  const end = { outcome: 'ok', durationMs, httpStatus, providerRequestId, cost, ...(usage && { usage }) } as const;
  return withEnded(image, attemptId, end);
}

/** Ends an open attempt; null where the image has no such attempt, or it has ended before. */
function withEnded(image: Image, attemptId: string, end: Partial<Attempt>): Image | null {
  return withChanged(image, attemptId, isOpen, end);
}

/** Changes one attempt; null where the image has no attempt of this id for which `condition` holds. */
function withChanged(
  image: Image,
  attemptId: string,
  condition: (attempt: Attempt) => boolean,
  change: Partial<Attempt>,
): Image | null {
  const isMeant = (attempt: Attempt) => attempt.id === attemptId && condition(attempt);
  if (!image.attempts.some(isMeant)) return null;
  return withAttempts(
    image,
    image.attempts.map((attempt) => (isMeant(attempt) ? { ...attempt, ...change } : attempt)),
  );
}

function withAttempts(image: Image, attempts: readonly Attempt[]): Image {
  const cost = attempts.map((attempt) => attempt.cost).reduce(addCosts, image.omitted?.cost ?? ZERO_COST);
  return { ...image, attempts, cost };
}
