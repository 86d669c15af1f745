import { ProviderError } from '../domain/errors.ts';
import { originalName, toOriginal } from '../domain/file-names.ts';
import type { Attempt } from '../domain/image.ts';
import { closed, keptAfterCancel, opened, received } from '../domain/transitions.ts';
import { createSpendingGuard } from '../money/budget.ts';
import { estimateCost, settleCost } from '../money/pricing.ts';
import { type GenerationPlan, plannedRecord } from '../planning/plan.ts';
import type { GeneratedPicture, Provider } from '../ports/provider.ts';
import { retryWhileStorageFails } from '../ports/storage-retry.ts';
import { advance, change, isCurrent, type Job, type Received, SupersededError, timed } from './job.ts';
import { attemptSpan, failureAttributes, pictureAttributes } from './spans.ts';

/** One call, written down before it is sent and closed after. Stores the picture whatever has become of the image meanwhile. */
export async function attemptOnce(job: Job, provider: Provider, plan: GenerationPlan): Promise<Received> {
  const { clock, mediaId, signals, telemetry } = job;
  const began = clock.now();
  const attempt: Attempt = {
    id: job.newId(),
    run: job.run,
    provider: provider.name,
    model: plan.call.model.id,
    startedAt: new Date(began).toISOString(),
    durationMs: null,
    outcome: 'unknown',
    httpStatus: null,
    providerRequestId: null,
    cost: estimateCost(plan.call),
  };
  const guard = createSpendingGuard(job.budget, attempt.model, attempt.cost, began);
  await advance(job, (image) => opened(image, attempt, plannedRecord(provider.name, plan)), guard);

  let picture: GeneratedPicture;
  try {
    const signal = AbortSignal.any([signals.cancelled, signals.stopping]);
    const call = () => provider.generate(plan.call, { signal, onPartial: job.events.partialSink(mediaId) });
    picture = await timed(job, 'generate', () => traced(job, call), attemptSpan(attempt));
  } catch (error) {
    const failure =
      error instanceof ProviderError ? error : new ProviderError('interrupted', String(error), { cause: error });
    telemetry.providerCall(provider.name, failure.outcome);
    if (failure.outcome !== 'failed') telemetry.spent(provider.name, attempt.model, attempt.cost);
    // A call that was aborted because the process ends stays open: nobody will ever know what became of it.
    if (!(signals.stopping.aborted && failure.outcome === 'cancelled')) {
      const { outcome, httpStatus, providerRequestId } = failure;
      const durationMs = clock.now() - began;
      await change(job, (image) => closed(image, attempt.id, { outcome, durationMs, httpStatus, providerRequestId }));
    }
    throw failure;
  }

  telemetry.providerCall(provider.name, 'ok');
  const durationMs = clock.now() - began;
  const name = originalName(mediaId, attempt.id);
  await timed(job, 'store', () => retryWhileStorageFails(job, () => job.store.put(name, picture.bytes)));
  const original = toOriginal(name, picture.bytes);
  const cost = settleCost(plan.call, picture.usage);
  telemetry.spent(provider.name, attempt.model, cost);
  const { httpStatus, providerRequestId, revisedPrompt } = picture;
  const result = { original, revisedPrompt, durationMs, httpStatus, providerRequestId, cost };
  const image = await change(
    job,
    (current) => received(current, attempt.id, result) ?? keptAfterCancel(current, attempt.id, result),
  );
  job.log.info({ attempt: attempt.id, provider: provider.name, durationMs, bytes: original.bytes }, 'picture received');
  if (image?.original?.name !== original.name || !isCurrent(job, image)) throw new SupersededError();
  return { image, original, bytes: picture.bytes };
}

/** Has the span of a call say how it ended. */
async function traced({ tracer }: Job, call: () => Promise<GeneratedPicture>): Promise<GeneratedPicture> {
  try {
    const picture = await call();
    tracer.annotate(pictureAttributes(picture));
    return picture;
  } catch (error) {
    if (error instanceof ProviderError) tracer.annotate(failureAttributes(error));
    throw error;
  }
}
