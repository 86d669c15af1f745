import type { Caller, CreateImage } from '../domain/request.ts';
import { accepted } from '../domain/transitions.ts';
import { createSpendingGuard } from '../money/budget.ts';
import { estimateCost } from '../money/pricing.ts';
import { plannedRecord } from '../planning/plan.ts';
import { fingerprint, resolveRequest } from '../planning/resolve-request.ts';
import { expiryOf } from '../retention/expiry.ts';
import {
  chooseProvider,
  ensureCapacity,
  overloadError,
  queueFullError,
  type Submission,
  type SubmitDeps,
  type SubmitOptions,
} from './admission.ts';
import { findExistingImage, joinOrRerun, needsRerun } from './rerun.ts';

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
  const existing = await findExistingImage(records, create, caller, idempotencyKey);
  // Who asks for what is known costs next to nothing, and learns the end of a picture that was paid for.
  if (overloaded && (existing === null || needsRerun(existing.image))) throw overloadError();
  if (existing) return await joinOrRerun(deps, existing, { ...create, request }, caller);

  const mediaId = create.mediaId ?? deps.newId();
  const { upstream, plan } = chooseProvider(deps, request);
  await ensureCapacity(deps, mediaId, request.size);
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
  const guard = createSpendingGuard(deps.budget, image.model, image.estimate, createdAt);
  const acceptance = await records.accept(image, deps.queueLimit, guard);
  if (acceptance.outcome === 'queue_full') throw queueFullError(deps);
  if (acceptance.outcome === 'exists') return await joinOrRerun(deps, acceptance, { ...create, request }, caller);
  await deps.queue.enqueue(mediaId);
  const { provider, model, prompt } = image;
  log.info({ mediaId, provider, model, ...(deps.logPrompts && { prompt }) }, 'image accepted');
  return { image, started: true };
}
