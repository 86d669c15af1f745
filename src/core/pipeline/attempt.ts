import { ImageError, ProviderError } from '../domain/errors.ts';
import { originalName, toOriginal } from '../domain/file-names.ts';
import type { Attempt } from '../domain/image.ts';
import {
  announced,
  closed,
  keptAfterCancel,
  keptAfterTakeover,
  opened,
  received,
} from '../domain/life-cycle/attempt-transitions.ts';
import type { PlannedFields } from '../domain/life-cycle/transitions.ts';
import type { Cost, TokenUsage } from '../domain/money.ts';
import type { GuardSpending } from '../money/budget-watch.ts';
import type { Costs } from '../money/costs.ts';
import { type GenerationPlan, plannedFields } from '../planning/plan.ts';
import type { Clock } from '../ports/clock.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { AnnouncedAnswer, GeneratedPicture, GenerationCall, Provider, ReceivedBytes } from '../ports/provider.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { Tracer } from '../ports/tracer.ts';
import type { FetchAnnounced } from './announced-picture.ts';
import type { InputBytes, ReadInputs } from './edit-inputs.ts';
import { giveUpFiles } from './give-up-files.ts';
import { PictureArrivedError, type Run, SupersededError } from './job.ts';
import type { RunningCalls } from './running-calls.ts';
import { attemptSpan, failureAttributes, pictureAttributes } from './spans.ts';
import type { StoredOriginal } from './stored-original.ts';

/**
 * Makes one paid call: the attempt is durable before the call is sent, and the picture before the attempt is closed. A picture that
 * the answer only names is fetched once its URL is durable. The picture is stored even where the image was cancelled, rerun or claimed
 * meanwhile; then `SupersededError` is raised. Raises `ProviderError` where the call brings no picture, and `budget_exhausted` where
 * it must not be sent. Raises `PictureArrivedError`, and calls nothing, where the image has a sound original other than `lost`, the name of
 * one that cannot be read.
 */
export type AttemptOnce = (
  run: Run,
  provider: Provider,
  plan: GenerationPlan,
  lost?: string | null,
) => Promise<StoredOriginal>;

/** A call whose attempt is recorded. */
interface OpenCall {
  readonly attempt: Attempt;
  readonly owner: string;
  readonly provider: Provider;
  /** As it is sent. */
  readonly request: GenerationCall;
  /** The plan, as the record has it. */
  readonly planned: PlannedFields;
  /** Of the clock's `monotonic`. */
  readonly began: number;
}

/** The id of a call's attempt, and the name of the original that the run cannot read, or null. */
interface CallNames {
  readonly id: string;
  readonly lost: string | null;
}

/** A picture that a call has brought. */
interface PaidPicture extends GeneratedPicture {
  /** What the call did cost; null until that is settled, which waits until the picture is durable. */
  readonly cost: Cost | null;
}

/** Partial pictures to ask for while a client follows the image, where the request asks for none: few, since each is billed. */
const PARTIAL_IMAGES = 2;

export function createAttempt({
  store,
  readInputs,
  events,
  guardSpending,
  costs,
  fetchAnnounced,
  runningCalls,
  timeoutMs,
  telemetry,
  tracer,
  clock,
  newId,
}: {
  readonly store: Pick<MediaStore, 'put' | 'remove'>;
  readonly readInputs: ReadInputs;
  readonly events: Pick<ImageEvents, 'wantsPartials' | 'openPartials'>;
  readonly guardSpending: GuardSpending;
  readonly costs: Costs;
  readonly fetchAnnounced: FetchAnnounced;
  readonly runningCalls: Pick<RunningCalls, 'begin'>;
  /** Milliseconds that a call may take, its picture included. */
  readonly timeoutMs: number;
  readonly telemetry: Pick<Telemetry, 'providerCall' | 'spent'>;
  readonly tracer: Tracer;
  readonly clock: Clock;
  /** Unique, growing with time, safe in a file name. */
  readonly newId: () => string;
}): AttemptOnce {
  return async (run, provider, plan, lost = null) => {
    const id = newId();
    // Before the attempt is on record, so that no reader of the record sees a running call as unknown.
    using _call = runningCalls.begin(id);
    // Read for each call anew: it takes the bytes with it. Nothing is recorded or sent where one of them is missing.
    using inputs = plan.call.edit ? await readInputs(run, plan.call.edit) : null;
    const call = await open(run, provider, plan, { id, lost });
    const picture = await bring(run, call, inputs?.bytes);
    inputs?.[Symbol.dispose]();
    return await keep(run, call, picture);
  };

  /**
   * Records the attempt. It streams the partial pictures that the request asks for; where it asks for none, some while a client follows
   * the image, unless the budget has no room for these.
   */
  async function open(run: Run, provider: Provider, plan: GenerationPlan, names: CallNames): Promise<OpenCall> {
    const isWatched = await events.wantsPartials(run.mediaId);
    const asked = plan.call.partialImages;
    const forWatchers = isWatched ? Math.min(PARTIAL_IMAGES, plan.call.model.partialImages) : 0;
    // A request that names a number gets no more than that: each is billed.
    const partialImages = asked > 0 ? asked : forWatchers;
    try {
      return await reserve(run, provider, { ...plan, call: { ...plan.call, partialImages } }, names);
    } catch (error) {
      const isTooMuch = error instanceof ImageError && error.code === 'budget_exhausted';
      if (!isTooMuch || partialImages === asked) throw error;
      return await reserve(run, provider, plan, names);
    }
  }

  /** Records the attempt, and reserves its estimate within the budget. */
  async function reserve(
    run: Run,
    provider: Provider,
    plan: GenerationPlan,
    { id, lost }: CallNames,
  ): Promise<OpenCall> {
    const { call: request } = plan;
    const planned = plannedFields(provider.name, plan);
    const cost = await run.retry(() => costs.estimate(request));
    const now = clock.now();
    const began = clock.monotonic();
    const attempt: Attempt = {
      id,
      run: run.number,
      provider: provider.name,
      model: request.model.id,
      startedAt: new Date(now).toISOString(),
      durationMs: null,
      outcome: 'unknown',
      httpStatus: null,
      providerRequestId: null,
      cost,
      announced: null,
    };
    const guard = guardSpending(attempt.model, attempt.cost, now);
    const { owner } = await run.advance((image) => {
      const { original } = image;
      if (run.claim !== undefined && original?.sound && original.name !== lost) throw new PictureArrivedError();
      return opened(image, attempt, planned);
    }, guard);
    return { attempt, owner, provider, request, planned, began };
  }

  /** The picture of the call. Where it brings none, closes the attempt and raises why. */
  async function bring(run: Run, call: OpenCall, inputBytes?: InputBytes): Promise<PaidPicture> {
    const work = () => annotated(() => callAndFetch(run, call, inputBytes));
    return await run.timed('generate', work, attemptSpan(call.attempt));
  }

  async function callAndFetch(run: Run, call: OpenCall, inputBytes?: InputBytes): Promise<PaidPicture> {
    const { provider, request, attempt } = call;
    const { cancelled, discarded, stopping } = run.signals;
    const abandoned = AbortSignal.any([discarded, stopping]);
    // Until the call has ended: a partial picture belongs to it alone.
    using partials =
      request.partialImages > 0 ? events.openPartials({ mediaId: run.mediaId, owner: call.owner }) : null;
    const onPartial = partials?.sink;
    const answer = await closingFailed(run, call, attempt.cost, () =>
      provider.generate(request, { cancelled, abandoned, onPartial, inputBytes }),
    );
    if (!('url' in answer)) return { ...answer, cost: null };
    const cost = await costs.settle(request, answer.usage, attempt.cost);
    const received = await closingFailed(run, call, cost, () => recordAndFetch(run, call, answer, cost), true);
    return { ...answer, ...received, cost };
  }

  /** Fetches the picture that the answer names. Its URL is durable first, so that a crash leaves what is needed to fetch it. */
  async function recordAndFetch(
    run: Run,
    { attempt, provider, began }: OpenCall,
    { url, revisedPrompt, usage, httpStatus, providerRequestId }: AnnouncedAnswer,
    cost: Cost,
  ): Promise<ReceivedBytes> {
    const announcedAt = { url, revisedPrompt };
    const known = { ...attempt, httpStatus, providerRequestId, cost, ...reported(usage), announced: announcedAt };
    await run.change((image) => announced(image, attempt.id, known));
    return await fetchAnnounced(run, provider, known, began + timeoutMs);
  }

  /** Annotates the call's span with how the call ended. */
  async function annotated(work: () => Promise<PaidPicture>): Promise<PaidPicture> {
    try {
      const picture = await work();
      tracer.annotate(pictureAttributes(picture));
      return picture;
    } catch (error) {
      if (error instanceof ProviderError) tracer.annotate(failureAttributes(error));
      throw error;
    }
  }

  /**
   * Does a part of the call. Where that fails, closes the attempt, which has then cost `cost` if it may have been billed. An attempt
   * whose picture `isAnnounced` stays open where the work on it was stopped: the next run goes on with it.
   */
  async function closingFailed<T>(
    run: Run,
    call: OpenCall,
    cost: Cost,
    work: () => Promise<T>,
    isAnnounced = false,
  ): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const failure =
        error instanceof ProviderError ? error : new ProviderError('interrupted', String(error), { cause: error });
      if (!(isAnnounced && failure.fault === 'cancelled')) await closeFailed(run, call, failure, cost);
      throw failure;
    }
  }

  async function closeFailed(
    run: Run,
    { attempt, began }: OpenCall,
    failure: ProviderError,
    cost: Cost,
  ): Promise<void> {
    const { outcome, httpStatus, providerRequestId } = failure;
    telemetry.providerCall(attempt.provider, outcome);
    if (outcome !== 'failed') telemetry.spent(attempt.provider, attempt.model, cost);
    // A call that the stop of the process ended stays open: its outcome is unknown.
    const { cancelled, stopping } = run.signals;
    if (outcome === 'cancelled' && (stopping.aborted || !cancelled.aborted)) return;
    const durationMs = clock.monotonic() - began;
    await run.change((image) => closed(image, attempt.id, { outcome, durationMs, httpStatus, providerRequestId }));
  }

  /** Stores the picture, then closes the attempt with its cost. */
  async function keep(run: Run, call: OpenCall, picture: PaidPicture): Promise<StoredOriginal> {
    const { attempt, provider, request, planned, began } = call;
    telemetry.providerCall(attempt.provider, 'ok');
    const durationMs = clock.monotonic() - began;
    const name = originalName(run.mediaId, attempt.id);
    const { bytes, sha256 } = picture;
    const original = toOriginal(name, { bytes: bytes.byteLength, sha256 }, provider.digitalSourceType);
    await run.timed('store', () => run.retry(() => store.put(name, bytes)));
    // Many pictures may wait for their turn to be finished, which reads them from the store.
    picture.release?.();
    const cost = picture.cost ?? (await costs.settle(request, picture.usage, attempt.cost));
    telemetry.spent(attempt.provider, attempt.model, cost);
    const { httpStatus, providerRequestId, revisedPrompt } = picture;
    const result = {
      at: new Date(clock.now()).toISOString(),
      original,
      revisedPrompt,
      durationMs,
      httpStatus,
      providerRequestId,
      cost,
      ...reported(picture.usage),
      // A picture that another process was paid for may have put its own plan into the record.
      ...(run.claim !== undefined && { planned }),
    };
    const image = await run.change((current) =>
      run.holds(current)
        ? (received(current, attempt.id, result) ?? keptAfterCancel(current, attempt.id, result))
        : keptAfterTakeover(current, attempt.id, result),
    );
    run.log.info(
      { attempt: attempt.id, provider: attempt.provider, durationMs, bytes: original.bytes },
      'picture received',
    );
    // Deleted while this process stood still: the deletion did not wait for it, and has removed what there was.
    if (!image?.attempts.some(({ id }) => id === attempt.id)) await giveUpFiles(run, store, [name]);
    if (image === null || !run.isCurrent(image)) throw new SupersededError();
    return { image, original };
  }
}

/** The usage as a field of the attempt, which is absent where none was reported. */
function reported(usage: TokenUsage | null): Pick<Attempt, 'usage'> {
  return usage === null ? {} : { usage };
}
