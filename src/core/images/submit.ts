import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import { canRunAgain } from '../domain/image.ts';
import { accepted } from '../domain/life-cycle/transitions.ts';
import type { Caller, CreateImage, ImageRequest } from '../domain/request.ts';
import type { TakeInputs } from '../inputs/intake.ts';
import type { Costs } from '../money/costs.ts';
import { plannedFields } from '../planning/plan.ts';
import type { Clock } from '../ports/clock.ts';
import type { JobQueue } from '../ports/job-queue.ts';
import type { RecordStore } from '../ports/record-store.ts';
import type { Tracer } from '../ports/tracer.ts';
import { expiryOf } from '../retention/expiry.ts';
import type { Upstreams } from '../upstream/upstreams.ts';
import { type Admission, chooseProvider, overloadError, type Submission, type SubmitOptions } from './admission.ts';
import { findExistingImage, type JoinOrRerun } from './rerun.ts';

export type Submit = (
  create: CreateImage,
  caller: Caller,
  idempotencyKey: string | null,
  options?: SubmitOptions,
) => Promise<Submission>;

interface SubmitDeps {
  readonly records: Pick<RecordStore, 'get' | 'findByKey' | 'accept'>;
  readonly queue: Pick<JobQueue, 'enqueue'>;
  readonly upstreams: Upstreams;
  readonly admission: Admission;
  readonly costs: Pick<Costs, 'estimate'>;
  readonly joinOrRerun: JoinOrRerun;
  /** Fills in presets and defaults. */
  readonly resolve: (create: CreateImage) => ImageRequest;
  readonly takeInputs: TakeInputs;
  /** How long images with a label are kept, in milliseconds. */
  readonly retentionByLabel: ReadonlyMap<string, number>;
  readonly clock: Clock;
  /** Makes a mediaId for a request that names none. */
  readonly newId: () => string;
  readonly tracer: Pick<Tracer, 'traceparent'>;
  /** Whether prompts may be logged. */
  readonly logPrompts: boolean;
  readonly log: Logger;
}

/**
 * Accepts a request: when the promise resolves, the image and its job are durable, or the image of an equal request was found.
 * Every error that can be known beforehand is raised here, before anything is paid.
 */
export function createSubmit({
  records,
  queue,
  upstreams,
  admission,
  costs,
  joinOrRerun,
  resolve,
  takeInputs,
  retentionByLabel,
  clock,
  newId,
  tracer,
  logPrompts,
  log,
}: SubmitDeps): Submit {
  return async (create, caller, idempotencyKey, options = {}) => {
    const { overloaded = false, requestId } = options;
    const resolved = resolve(create);
    const existing = await findExistingImage(records, create, caller, idempotencyKey);
    // A replay costs next to nothing and returns what was already paid for, so it is served even under overload.
    if (overloaded && (existing === null || canRunAgain(existing.image))) throw overloadError();
    using inputs = await takeInputs(create, resolved, caller);
    const { request } = inputs;
    if (existing) return await joinOrRerun(existing, { create, request }, caller, options);

    const mediaId = create.mediaId ?? newId();
    const { upstream, plan } = chooseProvider(upstreams, request);
    await admission.ensureCapacity(mediaId, request.size);
    // Before the time is taken: the budget of its day is checked by the write that follows at once.
    const estimate = await costs.estimate(plan.call);
    await inputs.store();
    const createdAt = clock.now();
    const image = accepted({
      mediaId,
      owner: caller.name,
      idempotencyKey,
      traceparent: tracer.traceparent(),
      ...(requestId !== undefined && { requestId }),
      request,
      createdAt: new Date(createdAt).toISOString(),
      expiresAt: expiryOf(request, createdAt, retentionByLabel),
      planned: plannedFields(upstream.provider.name, plan),
      estimate,
    });
    const guard = admission.spendingGuard(image.model, image.estimate, createdAt);
    const acceptance = await records.accept(image, admission.queueLimit, guard).catch(async (error: unknown) => {
      // Any other error may leave the image accepted.
      if (error instanceof ImageError && error.code === 'budget_exhausted') await inputs.discard();
      throw error;
    });
    if (acceptance.outcome !== 'accepted') await inputs.discard();
    if (acceptance.outcome === 'queue_full') throw admission.queueFullError();
    // A request with the same mediaId or key, equal or not, was accepted between the look-up above and this transaction.
    if (acceptance.outcome === 'exists') return await joinOrRerun(acceptance, { create, request }, caller, options);
    await queue.enqueue(mediaId);
    const { provider, model, prompt } = image;
    log.info({ mediaId, requestId, provider, model, ...(logPrompts && { prompt }) }, 'image accepted');
    return { image, started: true, replayed: false };
  };
}
