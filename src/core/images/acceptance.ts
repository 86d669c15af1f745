import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import type { Image } from '../domain/image.ts';
import { accepted } from '../domain/life-cycle/transitions.ts';
import type { ImageCall } from '../domain/request.ts';
import type { TakenInputs } from '../inputs/intake.ts';
import type { Costs } from '../money/costs.ts';
import { plannedFields } from '../planning/plan.ts';
import type { Clock } from '../ports/clock.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { Acceptance, RecordStore } from '../ports/record-store.ts';
import type { Tracer } from '../ports/tracer.ts';
import { expiryOf } from '../retention/expiry.ts';
import type { Upstreams } from '../upstream/upstreams.ts';
import { type Admission, chooseProvider } from './admission.ts';

/** Images that are to be made of one request. */
interface NewImages {
  /** The request, and the pictures that it brings, which are stored before it is accepted. */
  readonly inputs: Pick<TakenInputs, 'request' | 'store' | 'discard'>;
  readonly owner: string;
  /** One for each image, at least one. */
  readonly mediaIds: readonly [string, ...string[]];
  /** The first image bears it. */
  readonly idempotencyKey: string | null;
  /** The call that they belong to; absent for `POST /images`. */
  readonly call?: Pick<ImageCall, 'id' | 'digest'>;
  readonly requestId: string | undefined;
}

/** The images that were accepted, or the one that has a mediaId or the key already. */
type AcceptedImages =
  | { readonly outcome: 'accepted'; readonly images: readonly [Image, ...Image[]] }
  | Extract<Acceptance, { readonly outcome: 'exists' }>;

/**
 * Accepts new images, all or none: when the promise resolves, they and their jobs are durable, or one of them exists already. Every
 * error that can be known beforehand is raised here, before anything is paid.
 */
export type AcceptImages = (added: NewImages) => Promise<AcceptedImages>;

interface AcceptanceDeps {
  readonly records: Pick<RecordStore, 'accept'>;
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly upstreams: Upstreams;
  readonly admission: Admission;
  readonly costs: Pick<Costs, 'estimate'>;
  /** How long images with a label are kept, in milliseconds. */
  readonly retentionByLabel: ReadonlyMap<string, number>;
  readonly clock: Pick<Clock, 'now'>;
  readonly tracer: Pick<Tracer, 'traceparent'>;
  /** Whether prompts may be logged. */
  readonly logPrompts: boolean;
  readonly log: Logger;
}

export function createAcceptance({
  records,
  queue,
  upstreams,
  admission,
  costs,
  retentionByLabel,
  clock,
  tracer,
  logPrompts,
  log,
}: AcceptanceDeps): AcceptImages {
  return async ({ inputs, owner, mediaIds, idempotencyKey, call, requestId }) => {
    const { request } = inputs;
    const { upstream, plan } = chooseProvider(upstreams, request);
    // Before the time is taken: the budget of its day is checked by the write that follows at once.
    const estimating = costs.estimate(plan.call);
    estimating.catch(() => undefined);
    await admission.ensureCapacity(mediaIds, request.size);
    const estimate = await estimating;
    await inputs.store();
    const createdAt = clock.now();
    const make = (mediaId: string, index: number): Image =>
      accepted({
        mediaId,
        owner,
        idempotencyKey: index === 0 ? idempotencyKey : null,
        ...(call !== undefined && { call: { ...call, index, count: mediaIds.length } }),
        traceparent: tracer.traceparent(),
        ...(requestId !== undefined && { requestId }),
        request,
        createdAt: new Date(createdAt).toISOString(),
        expiresAt: expiryOf({ request }, createdAt, retentionByLabel),
        planned: plannedFields(upstream.provider.name, plan),
        estimate,
      });
    const [firstId, ...otherIds] = mediaIds;
    const first = make(firstId, 0);
    const images = [first, ...otherIds.map((mediaId, index) => make(mediaId, index + 1))] as const;
    const guard = admission.spendingGuard(first.model, estimate, createdAt);
    const acceptance = await records.accept(images, admission.queueLimit, guard).catch(async (error: unknown) => {
      // Any other error may leave the images accepted.
      if (error instanceof ImageError && error.code === 'budget_exhausted') await inputs.discard();
      throw error;
    });
    if (acceptance.outcome !== 'accepted') await inputs.discard();
    if (acceptance.outcome === 'queue_full') throw admission.queueFullError(images.length);
    if (acceptance.outcome === 'exists') return acceptance;
    for (const { mediaId, provider, model, prompt } of images) {
      await queue.enqueue(mediaId);
      log.info({ mediaId, requestId, provider, model, ...(logPrompts && { prompt }) }, 'image accepted');
    }
    return { outcome: 'accepted', images };
  };
}
