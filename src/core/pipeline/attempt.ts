import { ProviderError } from '../domain/errors.ts';
import { originalName, toOriginal } from '../domain/file-names.ts';
import type { Attempt } from '../domain/image.ts';
import type { Budget } from '../domain/money.ts';
import { closed, keptAfterCancel, opened, received } from '../domain/transitions.ts';
import { createSpendingGuard } from '../money/budget.ts';
import { estimateCost, settleCost } from '../money/pricing.ts';
import { type GenerationPlan, plannedFields } from '../planning/plan.ts';
import type { Clock } from '../ports/clock.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { GeneratedPicture, Provider } from '../ports/provider.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { Tracer } from '../ports/tracer.ts';
import { type Run, SupersededError } from './job.ts';
import { attemptSpan, failureAttributes, pictureAttributes } from './spans.ts';
import type { StoredOriginal } from './stored-original.ts';

/**
 * Makes one paid call: the attempt is durable before the call is sent, and the picture before the attempt is closed. The picture is
 * stored even where the image was cancelled, deleted or rerun meanwhile; then `SupersededError` is raised. Raises `ProviderError`
 * where the call brings no picture, and `budget_exhausted` where it must not be sent.
 */
export type AttemptOnce = (run: Run, provider: Provider, plan: GenerationPlan) => Promise<StoredOriginal>;

/** A call whose attempt is recorded. */
interface OpenCall {
  readonly attempt: Attempt;
  readonly provider: Provider;
  readonly plan: GenerationPlan;
  /** Milliseconds since 1970. */
  readonly began: number;
}

export function createAttempt({
  store,
  events,
  budget,
  telemetry,
  tracer,
  clock,
  newId,
}: {
  readonly store: Pick<MediaStore, 'put'>;
  readonly events: Pick<ImageEvents, 'partialSink'>;
  readonly budget: Budget;
  readonly telemetry: Pick<Telemetry, 'providerCall' | 'spent'>;
  readonly tracer: Tracer;
  readonly clock: Clock;
  /** Unique, growing with time, safe in a file name. */
  readonly newId: () => string;
}): AttemptOnce {
  return async (run, provider, plan) => {
    const call = await open(run, provider, plan);
    let picture: GeneratedPicture;
    try {
      picture = await send(run, call);
    } catch (error) {
      const failure =
        error instanceof ProviderError ? error : new ProviderError('interrupted', String(error), { cause: error });
      await closeFailed(run, call, failure);
      throw failure;
    }
    return await keep(run, call, picture);
  };

  /** Records the attempt, and reserves its estimate within the budget. */
  async function open(run: Run, provider: Provider, plan: GenerationPlan): Promise<OpenCall> {
    const began = clock.now();
    const attempt: Attempt = {
      id: newId(),
      run: run.number,
      provider: provider.name,
      model: plan.call.model.id,
      startedAt: new Date(began).toISOString(),
      durationMs: null,
      outcome: 'unknown',
      httpStatus: null,
      providerRequestId: null,
      cost: estimateCost(plan.call),
    };
    const guard = createSpendingGuard(budget, attempt.model, attempt.cost, began);
    await run.advance((image) => opened(image, attempt, plannedFields(provider.name, plan)), guard);
    return { attempt, provider, plan, began };
  }

  async function send(run: Run, { attempt, provider, plan }: OpenCall): Promise<GeneratedPicture> {
    const signal = AbortSignal.any([run.signals.cancelled, run.signals.stopping]);
    const generate = () => provider.generate(plan.call, { signal, onPartial: events.partialSink(run.mediaId) });
    return await run.timed('generate', () => annotated(generate), attemptSpan(attempt));
  }

  /** Annotates the call's span with how the call ended. */
  async function annotated(generate: () => Promise<GeneratedPicture>): Promise<GeneratedPicture> {
    try {
      const picture = await generate();
      tracer.annotate(pictureAttributes(picture));
      return picture;
    } catch (error) {
      if (error instanceof ProviderError) tracer.annotate(failureAttributes(error));
      throw error;
    }
  }

  async function closeFailed(run: Run, { attempt, began }: OpenCall, failure: ProviderError): Promise<void> {
    const { outcome, httpStatus, providerRequestId } = failure;
    telemetry.providerCall(attempt.provider, outcome);
    if (outcome !== 'failed') telemetry.spent(attempt.provider, attempt.model, attempt.cost);
    // A call that the stop of the process aborted stays open: its outcome is unknown.
    if (run.signals.stopping.aborted && outcome === 'cancelled') return;
    const durationMs = clock.now() - began;
    await run.change((image) => closed(image, attempt.id, { outcome, durationMs, httpStatus, providerRequestId }));
  }

  /** Stores the picture, then closes the attempt with its cost. */
  async function keep(run: Run, call: OpenCall, picture: GeneratedPicture): Promise<StoredOriginal> {
    const { attempt, plan, began } = call;
    telemetry.providerCall(attempt.provider, 'ok');
    const durationMs = clock.now() - began;
    const name = originalName(run.mediaId, attempt.id);
    await run.timed('store', () => run.retry(() => store.put(name, picture.bytes)));
    const original = toOriginal(name, picture.bytes);
    const cost = settleCost(plan.call, picture.usage);
    telemetry.spent(attempt.provider, attempt.model, cost);
    const { httpStatus, providerRequestId, revisedPrompt } = picture;
    const result = { original, revisedPrompt, durationMs, httpStatus, providerRequestId, cost };
    const image = await run.change(
      (current) => received(current, attempt.id, result) ?? keptAfterCancel(current, attempt.id, result),
    );
    run.log.info(
      { attempt: attempt.id, provider: attempt.provider, durationMs, bytes: original.bytes },
      'picture received',
    );
    if (image?.original?.name !== original.name || !run.isCurrent(image)) throw new SupersededError();
    return { image, original, bytes: picture.bytes };
  }
}
