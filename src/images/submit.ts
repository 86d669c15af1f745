import type { Logger } from 'pino';
import { ImageError } from '../core/domain/errors.ts';
import type { Size } from '../core/domain/geometry.ts';
import { type Image, PINNED } from '../core/domain/image.ts';
import { type Budget, NOTHING } from '../core/domain/money.ts';
import type { Caller, CreateImage, ImageRequest } from '../core/domain/request.ts';
import { accepted, rerun as rerunImage } from '../core/domain/transitions.ts';
import { guardSpending } from '../core/money/budget.ts';
import { estimateCost } from '../core/money/pricing.ts';
import { plannedRecord } from '../core/planning/plan.ts';
import type { Presets } from '../core/planning/presets.ts';
import { fingerprint, type RequestDefaults, resolveRequest } from '../core/planning/resolve-request.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ImageEvents } from '../core/ports/image-events.ts';
import type { JobQueue } from '../core/ports/job-queue.ts';
import type { MediaStore } from '../core/ports/media-store.ts';
import type { RecordStore } from '../core/ports/record-store.ts';
import type { Tracer } from '../core/ports/tracer.ts';
import type { Deletions } from './deletion.ts';
import type { Submission } from './service.ts';
import { allOpen, type Candidate, type Upstreams } from './upstreams.ts';

export interface SubmitDeps {
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly queue: JobQueue;
  readonly deletions: Deletions;
  readonly events: ImageEvents;
  readonly upstreams: Upstreams;
  readonly presets: Presets;
  readonly defaults: RequestDefaults;
  readonly queueLimit: number;
  /** How long images with such a label are kept, in milliseconds. */
  readonly retentionByLabel: ReadonlyMap<string, number>;
  readonly budget: Budget;
  readonly clock: Clock;
  readonly newId: () => string;
  /** Fires when the service begins to stop. */
  readonly stopping: AbortSignal;
  /** Whether prompts may stand in the log. */
  readonly logPrompts: boolean;
  readonly tracer: Tracer;
  readonly log: Logger;
}

export interface SubmitOptions {
  /** The process has more to do than it can: only what is known already is told. */
  readonly overloaded?: boolean;
}

/** What a full queue or a closed door asks callers to wait, in seconds. */
const RETRY_AFTER_SECONDS = 10;
/** What can wait a moment: less would only bring the same callers back at once. */
const OVERLOAD_RETRY_AFTER_SECONDS = 5;

/**
 * Accepts a request: when this resolves, the image and its job are durable, or an equal request's image was found.
 * Everything that can be known to be wrong is refused here, before anything is paid.
 */
export async function submitImage(
  deps: SubmitDeps,
  create: CreateImage,
  caller: Caller,
  idempotencyKey: string | null,
  { overloaded = false }: SubmitOptions = {},
): Promise<Submission> {
  const { records, log } = deps;
  const request = resolveRequest(create, deps.presets, deps.defaults);
  const earlier = await findEarlier(records, create, caller, idempotencyKey);
  // Who asks for what is known costs next to nothing, and learns the end of a picture that was paid for.
  if (overloaded && (earlier === null || isToRunAgain(earlier.image))) throw tooBusy();
  if (earlier) return await again(deps, earlier, { ...create, request }, caller);

  const mediaId = create.mediaId ?? deps.newId();
  const { upstream, plan } = chooseProvider(deps, request);
  await makeRoom(deps, mediaId, request.size);
  const createdAt = deps.clock.now();
  const image = accepted({
    mediaId,
    owner: caller.name,
    idempotencyKey,
    traceparent: deps.tracer.traceparent(),
    fingerprint: fingerprint(request),
    request,
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: expiryOf(request, createdAt, deps.retentionByLabel),
    planned: plannedRecord(upstream.provider.name, plan),
    estimate: estimateCost(plan.call),
  });
  const guard = guardSpending(deps.budget, image.model, image.estimate, createdAt);
  const acceptance = await records.accept(image, deps.queueLimit, guard);
  if (acceptance.outcome === 'queue_full') throw queueFull(deps);
  if (acceptance.outcome === 'exists') return await again(deps, acceptance, { ...create, request }, caller);
  await deps.queue.enqueue(mediaId);
  const { provider, model, prompt } = image;
  log.info({ mediaId, provider, model, ...(deps.logPrompts && { prompt }) }, 'image accepted');
  return { image, started: true };
}

/** Its own time first, then the longest that one of its labels has. Null where neither says anything, or it is pinned. */
function expiryOf(
  { ttlSeconds, labels }: ImageRequest,
  createdAt: number,
  byLabel: ReadonlyMap<string, number>,
): string | null {
  if (labels.includes(PINNED)) return null;
  const ages = labels.flatMap((label) => byLabel.get(label) ?? []);
  const ageMs = ttlSeconds === null ? Math.max(...ages) : ttlSeconds * 1000;
  return Number.isFinite(ageMs) ? new Date(createdAt + ageMs).toISOString() : null;
}

/** An image that was found by what a new request names. */
interface Earlier {
  readonly by: 'mediaId' | 'idempotencyKey';
  readonly image: Image;
}

async function findEarlier(
  records: RecordStore,
  { mediaId }: CreateImage,
  caller: Caller,
  idempotencyKey: string | null,
): Promise<Earlier | null> {
  const sameId = mediaId === undefined ? null : await records.get(mediaId);
  if (sameId) return { by: 'mediaId', image: sameId };
  const sameKey = idempotencyKey === null ? null : await records.findByKey(caller.name, idempotencyKey);
  return sameKey && { by: 'idempotencyKey', image: sameKey };
}

/** The same mediaId or key has come before: joins, replays or runs again, or refuses another request under it. */
async function again(
  deps: SubmitDeps,
  { by, image: existing }: Earlier,
  wanted: { readonly mediaId?: string | undefined; readonly request: ImageRequest },
  caller: Caller,
): Promise<Submission> {
  const { mediaId } = existing;
  const same =
    existing.owner === caller.name &&
    existing.fingerprint === fingerprint(wanted.request) &&
    (wanted.mediaId === undefined || wanted.mediaId === mediaId);
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
  return isToRunAgain(existing) ? await rerun(deps, existing) : { image: existing, started: false };
}

function isToRunAgain({ status }: Image): boolean {
  return status === 'failed' || status === 'cancelled';
}

/** A failed or cancelled image is made again: from its original where that is sound, which costs nothing, else anew. */
async function rerun(deps: SubmitDeps, { mediaId, request, original }: Image): Promise<Submission> {
  // What is finished from its original needs no provider that works, and no money.
  const { upstream, plan } = original?.sound ? deps.upstreams.candidates(request)[0] : chooseProvider(deps, request);
  const estimate = original?.sound ? NOTHING : estimateCost(plan.call);
  if (!original?.sound) await makeRoom(deps, mediaId, request.size);
  let started = false;
  const image = await deps.records.acceptAgain(
    mediaId,
    deps.queueLimit,
    (current) => {
      const planned = plannedRecord(upstream.provider.name, plan);
      const next = rerunImage(current, { planned, estimate, traceparent: deps.tracer.traceparent() });
      started = next !== null;
      return next;
    },
    guardSpending(deps.budget, plan.call.model.id, estimate, deps.clock.now()),
  );
  if (image === 'queue_full') throw queueFull(deps);
  if (image === null)
    throw new ImageError('not_found', `image ${mediaId} was deleted meanwhile; send the request again`);
  if (started) {
    await deps.queue.enqueue(mediaId);
    deps.events.publish(mediaId, image);
    deps.log.info({ mediaId, run: image.run, resumed: original?.sound ?? false }, 'image accepted again');
  }
  return { image, started };
}

function queueFull({ queueLimit }: SubmitDeps): ImageError {
  return new ImageError('queue_full', `${queueLimit} images wait already; nothing was accepted or paid`, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

// ---------------------------------------------------------- the provider

/**
 * The first provider, of those that can make this picture, that is not down: the one that will be asked first.
 * Raises what keeps the first provider from it where none can, and `provider_unavailable` where all that can are down.
 */
function chooseProvider({ upstreams }: SubmitDeps, request: ImageRequest): Candidate {
  const candidates = upstreams.candidates(request);
  const working = candidates.find(({ upstream }) => upstream.breaker.waitMs() === 0);
  if (working) return working;
  throw allOpen(candidates.map(({ upstream }) => upstream));
}

// -------------------------------------------------------------- the room

/** While the process cannot keep up, new work is refused, so that what is made goes on being made, served and watched. */
function tooBusy(): ImageError {
  return new ImageError('queue_full', 'the service has more to do than it can; nothing was accepted or paid', {
    retryAfterSeconds: OVERLOAD_RETRY_AFTER_SECONDS,
  });
}

/** A generous guess at what one image needs on disk, in bytes: original, master and renditions, all of them PNG. */
function bytesNeeded(size: Size): number {
  return 1_000_000 + 8 * size.width * size.height;
}

/** Makes sure that there is room for this image and for those accepted before it, and that its name is free. */
async function makeRoom(deps: SubmitDeps, mediaId: string, size: Size): Promise<void> {
  if (deps.stopping.aborted) {
    throw new ImageError('shutting_down', 'the service is stopping; try again in a moment', {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }
  const { waiting, running } = await deps.queue.depth();
  // The records have the last word; this spares a full queue the look at the disk.
  if (waiting >= deps.queueLimit) throw queueFull(deps);
  await deps.store.check(bytesNeeded(size) * (waiting + running + 1));
  await deps.deletions.settled(mediaId);
}
