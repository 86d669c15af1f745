import { ImageError } from '../domain/errors.ts';
import type { Image } from '../domain/image.ts';
import { ZERO_COST } from '../domain/money.ts';
import type { Caller, CreateImage, ImageRequest } from '../domain/request.ts';
import { rerun as rerunImage } from '../domain/transitions.ts';
import { createSpendingGuard } from '../money/budget.ts';
import { estimateCost } from '../money/pricing.ts';
import { plannedRecord } from '../planning/plan.ts';
import { fingerprint } from '../planning/resolve-request.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { chooseProvider, ensureCapacity, queueFullError, type Submission, type SubmitDeps } from './admission.ts';

/** An image that was found by what a new request names. */
interface ExistingImage {
  readonly by: 'mediaId' | 'idempotencyKey';
  readonly image: Image;
}

export async function findExistingImage(
  records: RecordStore,
  { mediaId }: CreateImage,
  caller: Caller,
  idempotencyKey: string | null,
): Promise<ExistingImage | null> {
  const sameId = mediaId === undefined ? null : await records.get(mediaId);
  if (sameId) return { by: 'mediaId', image: sameId };
  const sameKey = idempotencyKey === null ? null : await records.findByKey(caller.name, idempotencyKey);
  return sameKey && { by: 'idempotencyKey', image: sameKey };
}

/** The same mediaId or key has come before: joins, replays or runs again, or refuses another request under it. */
export async function joinOrRerun(
  deps: SubmitDeps,
  { by, image: existing }: ExistingImage,
  submitted: { readonly mediaId?: string | undefined; readonly request: ImageRequest },
  caller: Caller,
): Promise<Submission> {
  const { mediaId } = existing;
  const same =
    existing.owner === caller.name &&
    existing.fingerprint === fingerprint(submitted.request) &&
    (submitted.mediaId === undefined || submitted.mediaId === mediaId);
  if (!same) {
    if (by === 'idempotencyKey') {
      throw new ImageError(
        'idempotency_key_reused',
        'this Idempotency-Key was used for another request; use a new key for a new request',
      );
    }
    throw new ImageError(
      'media_id_conflict',
      `mediaId ${mediaId} is in use for another request; choose another, or DELETE it first`,
      {
        paths: [{ path: 'mediaId', message: 'already in use' }],
      },
    );
  }
  return needsRerun(existing) ? await rerun(deps, existing) : { image: existing, started: false };
}

export function needsRerun({ status }: Image): boolean {
  return status === 'failed' || status === 'cancelled';
}

/** A failed or cancelled image is made again: from its original where that is sound, which costs nothing, else anew. */
async function rerun(deps: SubmitDeps, { mediaId, request, original }: Image): Promise<Submission> {
  // What is finished from its original needs no provider that works, and no money.
  const { upstream, plan } = original?.sound ? deps.upstreams.candidates(request)[0] : chooseProvider(deps, request);
  const estimate = original?.sound ? ZERO_COST : estimateCost(plan.call);
  if (!original?.sound) await ensureCapacity(deps, mediaId, request.size);
  let started = false;
  const image = await deps.records.requeue(
    mediaId,
    deps.queueLimit,
    (current) => {
      const planned = plannedRecord(upstream.provider.name, plan);
      const next = rerunImage(current, { planned, estimate, traceparent: deps.tracer.traceparent() });
      started = next !== null;
      return next;
    },
    createSpendingGuard(deps.budget, plan.call.model.id, estimate, deps.clock.now()),
  );
  if (image === 'queue_full') throw queueFullError(deps);
  if (image === null)
    throw new ImageError('not_found', `image ${mediaId} was deleted meanwhile; send the request again`);
  if (started) {
    await deps.queue.enqueue(mediaId);
    deps.events.publish(mediaId, image);
    deps.log.info({ mediaId, run: image.run, resumed: original?.sound ?? false }, 'image accepted again');
  }
  return { image, started };
}
