import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import { canRunAgain, type Image } from '../domain/image.ts';
import { ZERO_COST } from '../domain/money.ts';
import type { Caller, CreateImage, ImageRequest } from '../domain/request.ts';
import { rerun as rerunImage } from '../domain/transitions.ts';
import type { Costs } from '../money/costs.ts';
import { plannedFields } from '../planning/plan.ts';
import { fingerprint } from '../planning/resolve-request.ts';
import type { Clock } from '../ports/clock.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { RecordStore } from '../ports/record-store.ts';
import type { Tracer } from '../ports/tracer.ts';
import type { Upstreams } from '../upstream/upstreams.ts';
import { type Admission, chooseProvider, type Submission } from './admission.ts';

/** An image that already has the mediaId or idempotency key of a new request. */
interface ExistingImage {
  readonly by: 'mediaId' | 'idempotencyKey';
  readonly image: Image;
}

/** A request after its defaults were filled in, with the mediaId that it names. */
interface ResolvedSubmission {
  readonly mediaId?: string | undefined;
  readonly request: ImageRequest;
}

export type JoinOrRerun = (
  existing: ExistingImage,
  submitted: ResolvedSubmission,
  caller: Caller,
) => Promise<Submission>;

interface RerunDeps {
  readonly records: Pick<RecordStore, 'requeue'>;
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly events: Pick<ImageEvents, 'publish'>;
  readonly upstreams: Upstreams;
  readonly admission: Admission;
  readonly costs: Pick<Costs, 'estimate'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly tracer: Pick<Tracer, 'traceparent'>;
  readonly log: Logger;
}

/**
 * Answers a request whose mediaId or idempotency key is in use: joins the run, replays the result, or runs a failed or
 * cancelled image again. Raises `media_id_conflict` or `idempotency_key_reused` where the earlier request was a different one.
 */
export function createJoinOrRerun(deps: RerunDeps): JoinOrRerun {
  const { records, queue, events, upstreams, admission, costs, clock, tracer, log } = deps;

  /** Runs an image again: from its original where that is sound, which costs nothing, else with a new call. */
  async function rerun({ mediaId, request, original }: Image): Promise<Submission> {
    const resumed = original?.sound ?? false;
    // Finishing a sound original needs no working provider and no budget.
    const { upstream, plan } = resumed ? upstreams.candidates(request)[0] : chooseProvider(upstreams, request);
    const estimate = resumed ? ZERO_COST : await costs.estimate(plan.call);
    if (!resumed) await admission.ensureCapacity(mediaId, request.size);
    let started = false;
    const image = await records.requeue(
      mediaId,
      admission.queueLimit,
      (current) => {
        const planned = plannedFields(upstream.provider.name, plan);
        const next = rerunImage(current, {
          planned,
          estimate,
          traceparent: tracer.traceparent(),
          requestedAt: new Date(clock.now()).toISOString(),
          expiresAt: current.expiresAt,
          mayCostAgain: false,
        });
        started = next !== null;
        return next;
      },
      admission.spendingGuard(plan.call.model.id, estimate, clock.now()),
    );
    if (image === 'queue_full') throw admission.queueFullError();
    if (image === null)
      throw new ImageError('not_found', `image ${mediaId} was deleted meanwhile; send the request again`);
    if (started) {
      await queue.enqueue(mediaId);
      events.publish(mediaId, image);
      log.info({ mediaId, run: image.run, resumed }, 'image accepted again');
    }
    return { image, started };
  }

  return async ({ by, image }, submitted, caller) => {
    refuseDifferentRequest(by, image, submitted, caller);
    return canRunAgain(image) ? await rerun(image) : { image, started: false };
  };
}

/** Finds the image that has the request's mediaId, else the one that has the caller's idempotency key; null where none has. */
export async function findExistingImage(
  records: Pick<RecordStore, 'get' | 'findByKey'>,
  { mediaId }: CreateImage,
  caller: Caller,
  idempotencyKey: string | null,
): Promise<ExistingImage | null> {
  const sameId = mediaId === undefined ? null : await records.get(mediaId);
  if (sameId) return { by: 'mediaId', image: sameId };
  const sameKey = idempotencyKey === null ? null : await records.findByKey(caller.name, idempotencyKey);
  return sameKey && { by: 'idempotencyKey', image: sameKey };
}

function refuseDifferentRequest(
  by: ExistingImage['by'],
  { mediaId, ...existing }: Image,
  submitted: ResolvedSubmission,
  caller: Caller,
): void {
  const same =
    existing.owner === caller.name &&
    existing.fingerprint === fingerprint(submitted.request) &&
    (submitted.mediaId === undefined || submitted.mediaId === mediaId);
  if (same) return;
  if (by === 'idempotencyKey') {
    throw new ImageError(
      'idempotency_key_reused',
      'this Idempotency-Key was used for another request; use a new key for a new request',
    );
  }
  throw new ImageError(
    'media_id_conflict',
    `mediaId ${mediaId} is in use for another request; choose another, or DELETE it first`,
    { paths: [{ path: 'mediaId', message: 'already in use' }] },
  );
}
