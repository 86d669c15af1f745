import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import {
  canRunAgain,
  hasEndedWithoutPicture,
  type Image,
  isFinished,
  isSameImage,
  mayStillBring,
} from '../domain/image.ts';
import { rerun } from '../domain/life-cycle/transitions.ts';
import { ZERO_COST } from '../domain/money.ts';
import type { Caller, CreateImage, ImageRequest } from '../domain/request.ts';
import type { TakenInputs } from '../inputs/intake.ts';
import type { Costs } from '../money/costs.ts';
import { differingFields } from '../planning/differing-fields.ts';
import { plannedFields } from '../planning/plan.ts';
import type { Clock } from '../ports/clock.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { RecordStore } from '../ports/record-store.ts';
import type { Tracer } from '../ports/tracer.ts';
import { expiryOf } from '../retention/expiry.ts';
import type { Upstreams } from '../upstream/upstreams.ts';
import { type Admission, chooseProvider, overloadError, type Submission, type SubmitOptions } from './admission.ts';

/** An image that already has the mediaId or idempotency key of a new request. */
interface ExistingImage {
  readonly by: 'mediaId' | 'idempotencyKey';
  readonly image: Image;
}

/** A request as it came, and with its defaults filled in and its pictures at hand. */
interface ResolvedSubmission {
  readonly create: CreateImage;
  readonly inputs: Pick<TakenInputs, 'request' | 'store'>;
}

export type JoinOrRerun = (
  existing: ExistingImage,
  submitted: ResolvedSubmission,
  caller: Caller,
  options?: SubmitOptions,
) => Promise<Submission>;

/** How `Rerun` starts a run. */
interface RerunOptions {
  /** Whether the caller knows that the run may cost again. */
  readonly mayCostAgain: boolean;
  readonly requestId?: string | undefined;
}

/**
 * Starts a new run of an image that failed or was cancelled: from its original where that is sound, which needs no provider and no
 * budget, else with a new call. Where the image has had another run since it was read, or may not run again, nothing is started, and it is
 * returned as it is stored. Raises `not_found` where it was deleted, even if another one has its mediaId by now.
 */
export type Rerun = (image: Image, options: RerunOptions) => Promise<Submission>;

interface RerunDeps {
  readonly records: Pick<RecordStore, 'requeue'>;
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly events: Pick<ImageEvents, 'publish'>;
  readonly upstreams: Upstreams;
  readonly admission: Admission;
  readonly costs: Pick<Costs, 'estimate'>;
  /** How long images with a label are kept, in milliseconds. */
  readonly retentionByLabel: ReadonlyMap<string, number>;
  readonly clock: Pick<Clock, 'now'>;
  readonly tracer: Pick<Tracer, 'traceparent'>;
  readonly log: Logger;
}

export function createRerun(deps: RerunDeps): Rerun {
  const { records, queue, events, upstreams, admission, retentionByLabel, costs, clock, tracer, log } = deps;

  /** The plan of the new call, with the veto of the budget on what it may cost. */
  async function planCall({ mediaId, request }: Image) {
    const { upstream, plan } = chooseProvider(upstreams, request);
    await admission.ensureCapacity([mediaId], request.size);
    const estimate = await costs.estimate(plan.call);
    return {
      planned: plannedFields(upstream.provider.name, plan),
      estimate,
      guard: admission.spendingGuard(plan.call.model.id, estimate, clock.now()),
    };
  }

  return async (found, { mayCostAgain, requestId }) => {
    const { mediaId } = found;
    // Neither has to be paid for, though the picture of a call without one may turn out to be gone: the new call is then checked
    // against budget and providers before it is sent, as every further call is.
    const resumed = (found.original?.sound ?? false) || found.attempts.some(mayStillBring);
    // No provider need be able to make the picture any more: its model may have been shut down since.
    const { planned, estimate, guard } = resumed
      ? { planned: found, estimate: ZERO_COST, guard: undefined }
      : await planCall(found);
    const now = clock.now();
    let started = false;
    const image = await records.requeue(
      mediaId,
      admission.queueLimit,
      (current) => {
        const next = rerun(current, {
          planned,
          estimate,
          traceparent: tracer.traceparent(),
          requestId: requestId ?? null,
          requestedAt: new Date(now).toISOString(),
          // Of the stored image: labels, ttl and pin may have been changed since it was read.
          expiresAt: expiryOf(current, now, retentionByLabel),
          mayCostAgain,
        });
        // Of requests at the same time, one starts a run; the others join it, also where it has failed again by now.
        const isAsFound = current.run === found.run && isSameImage(found, current);
        started = next !== null && isAsFound;
        return started ? next : null;
      },
      guard,
    );
    if (image === 'queue_full') throw admission.queueFullError();
    // Another image that has its mediaId by now may be another key's.
    if (image === null || !isSameImage(found, image))
      throw new ImageError('not_found', `image ${mediaId} was deleted meanwhile; send the request again`);
    if (started) {
      await queue.enqueue(mediaId);
      events.publish(mediaId, image);
      log.info({ mediaId, requestId, run: image.run, resumed, mayCostAgain }, 'image accepted again');
    }
    return { image, started, replayed: false };
  };
}

/**
 * Answers a request whose mediaId or idempotency key is in use: joins the run, replays the result, or runs an image again for which
 * `canRunAgain` holds. Raises `media_id_conflict` or `idempotency_key_reused` where the earlier request was a different one. The pictures
 * of an equal request replace those that the image may have lost, for this run or for one that is asked for by `retry`.
 */
export function createJoinOrRerun(rerun: Rerun): JoinOrRerun {
  return async ({ by, image }, submitted, caller, { requestId } = {}) => {
    refuseDifferentRequest(by, image, submitted, caller);
    if (canRunAgain(image) || image.error?.code === 'storage_unavailable') await submitted.inputs.store();
    if (canRunAgain(image)) return await rerun(image, { mayCostAgain: false, requestId });
    return { image, started: false, replayed: image.status === 'failed' };
  };
}

/** Runs a failed or cancelled image again although that may cost again; see `Images.retry`. */
export type RetryImage = (image: Image, options?: SubmitOptions) => Promise<Submission>;

export function createRetry(rerun: Rerun): RetryImage {
  return async (image, { overloaded = false, requestId } = {}) => {
    if (!hasEndedWithoutPicture(image)) throw notRetryable(image);
    if (overloaded) throw overloadError();
    const submission = await rerun(image, { mayCostAgain: true, requestId });
    if (!submission.started) throw notRetryable(submission.image);
    return submission;
  };
}

/** The error for an image that runs, has succeeded, or was run again by another request just now. */
export function notRetryable({ mediaId, status }: Image): ImageError {
  const reason =
    status === 'succeeded'
      ? `${mediaId} has its picture; to have another made, DELETE it first or use another mediaId`
      : isFinished(status)
        ? `${mediaId} was just run again, and ${status}; look at its record before it is run once more`
        : `${mediaId} is at work (${status}); wait for its end, or cancel it first`;
  return new ImageError('not_retryable', `${reason}; nothing was called`, { mediaId });
}

/** Finds the image that has the request's mediaId, else the one that has the caller's idempotency key; null where none has. */
export async function findExistingImage(
  records: Pick<RecordStore, 'get' | 'findByKey'>,
  { mediaId }: CreateImage,
  caller: Caller,
  idempotencyKey: string | null,
): Promise<ExistingImage | null> {
  const sameId = mediaId == null ? null : await records.get(mediaId);
  if (sameId) return { by: 'mediaId', image: sameId };
  const sameKey = idempotencyKey === null ? null : await records.findByKey(caller.name, idempotencyKey);
  return sameKey && { by: 'idempotencyKey', image: sameKey };
}

/**
 * Raises where the image was requested otherwise, with the fields that differ. Of another key's image nothing is revealed but that the
 * mediaId is in use, whatever the request.
 */
function refuseDifferentRequest(
  by: ExistingImage['by'],
  { mediaId, owner, request, call }: Image,
  submitted: ResolvedSubmission,
  caller: Caller,
): void {
  if (owner !== caller.name) {
    throw mediaIdConflict(mediaId, [{ path: 'mediaId', message: 'already in use' }]);
  }
  if (by === 'idempotencyKey' && call !== undefined) throw idempotencyKeyReused(mediaId);
  const { mediaId: givenId } = submitted.create;
  // What only the dialect can ask for is in no request of `POST /images`, so that of the record is the same one without it.
  const paths = differences(request, submitted.create, submitted.inputs.request).filter(
    ({ path }) => call === undefined || path !== 'options',
  );
  if (givenId != null && givenId !== mediaId) {
    paths.unshift({ path: 'mediaId', message: `is ${mediaId} in the earlier request` });
  }
  if (paths.length === 0) return;
  const difference = `, which differs in ${paths.map(({ path }) => path).join(', ')}`;
  if (by === 'mediaId') throw mediaIdConflict(mediaId, paths, difference);
  throw idempotencyKeyReused(mediaId, paths, difference);
}

/** The error for a key that the caller has sent with another request, the one that made this image. */
export function idempotencyKeyReused(mediaId: string, paths: readonly Difference[] = [], difference = ''): ImageError {
  return new ImageError(
    'idempotency_key_reused',
    `this Idempotency-Key was used for another request${difference}; use a new key for a new request`,
    { paths, mediaId },
  );
}

interface Difference {
  readonly path: string;
  readonly message: string;
}

/** The fields in which the request differs from the earlier one, by the names that they have in a request. */
function differences(earlier: ImageRequest, create: CreateImage, request: ImageRequest): Difference[] {
  return differingFields(earlier, request).map((path) => {
    const isGiven = create[path] != null && request[path] !== earlier[path];
    const message = isGiven
      ? 'differs from the earlier request'
      : 'differs from the earlier request by what the preset or the defaults give now';
    return { path, message };
  });
}

function mediaIdConflict(mediaId: string, paths: readonly Difference[], difference = ''): ImageError {
  return new ImageError(
    'media_id_conflict',
    `mediaId ${mediaId} is in use for another request${difference}; choose another, or DELETE it first`,
    { paths, mediaId },
  );
}
