import type { CheckPolicy } from '../core/domain/checks.ts';
import { ImageError, ProviderError } from '../core/domain/errors.ts';
import { describeOriginal, masterName, originalName, renditionName, sha256 } from '../core/domain/file-names.ts';
import type { RenditionFormat, RenditionSpec } from '../core/domain/formats.ts';
import { type Attempt, type Image, isFinished, isMended, type MediaFile, type Original } from '../core/domain/image.ts';
import type { Budget, SpendingGuard } from '../core/domain/money.ts';
import {
  adopted,
  closed,
  failed,
  finished,
  keptAfterCancel,
  opened,
  received,
  resumed,
  setAside,
  withWarnings,
} from '../core/domain/transitions.ts';
import { guardSpending } from '../core/money/budget.ts';
import { estimateCost, settleCost } from '../core/money/pricing.ts';
import { type GenerationPlan, plannedRecord } from '../core/planning/plan.ts';
import type { ImageEvents } from '../core/ports/image-events.ts';
import type { FinishedFile, FinishedPicture, FinishOrder, Imaging } from '../core/ports/imaging.ts';
import type { JobSignals } from '../core/ports/job-queue.ts';
import type { FileSource, MediaStore } from '../core/ports/media-store.ts';
import type { GeneratedPicture, Provider } from '../core/ports/provider.ts';
import type { RecordStore } from '../core/ports/record-store.ts';
import { untilStored } from '../core/ports/storage-retry.ts';
import type { Stage } from '../core/ports/telemetry.ts';
import type { SpanDescription, Tracer } from '../core/ports/tracer.ts';
import { askInOrder, type FallbackDeps } from './fallback.ts';
import { attemptSpan, failureAttributes, imageAttributes, jobSpan, pictureAttributes } from './spans.ts';
import type { Upstreams } from './upstreams.ts';

export interface RunnerDeps extends FallbackDeps {
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly imaging: Imaging;
  readonly upstreams: Upstreams;
  readonly events: ImageEvents;
  readonly budget: Budget;
  readonly tracer: Tracer;
  /** Whether prompts are written into the files. */
  readonly embedPrompt: boolean;
  /** Whether a picture that is rejected is followed by one more paid try. */
  readonly regenerateOnReject: boolean;
  /** Formats too slow for the master to wait for. */
  readonly deferredFormats: readonly RenditionFormat[];
  /** Unique, growing with time, safe in a file name. */
  readonly newId: () => string;
}

/** One run of one image. Whatever it writes about the image's fate holds only while the image is still in this run. */
export interface Job extends RunnerDeps {
  readonly mediaId: string;
  readonly run: number;
  readonly signals: JobSignals;
}

/** The image was cancelled, deleted or asked for anew: this run has no more say in it. */
class SupersededError extends Error {
  override readonly name = 'SupersededError';
}

/**
 * Takes an unfinished image through the steps it has not done yet: generate, store the original, check and finish, publish.
 * From the moment the original is durable, nothing here calls the provider for it again, unless it is rejected and
 * `regenerateOnReject` allows one more. Never rejects.
 */
export async function runImage(deps: RunnerDeps, mediaId: string, signals: JobSignals): Promise<void> {
  const job: Job = { ...deps, mediaId, run: 0, signals, log: deps.log.child({ mediaId }) };
  try {
    const image = await untilStored(job, () => deps.records.get(mediaId));
    if (image === null || isFinished(image.status)) return;
    await deps.tracer.span(jobSpan(image, 'job'), () => make({ ...job, run: image.run }, image));
  } catch (error) {
    await settle(job, error);
  }
}

async function make(job: Job, image: Image): Promise<void> {
  try {
    const first = await receive(job, image);
    await finish(job, first).catch(async (error: unknown) => {
      await finish(job, await regenerate(job, first.image, error));
    });
  } catch (error) {
    await settle(job, error);
  }
}

// -------------------------------------------------------------- generate

/** An image whose original is durable. */
interface Received {
  readonly image: Image;
  readonly original: Original;
  readonly bytes: Uint8Array;
}

async function receive(job: Job, image: Image): Promise<Received> {
  const stored = await findStored(job, image);
  return stored ?? (await generate(job, image));
}

/** The original that an earlier run, or this run in an earlier process, has paid for. */
async function findStored(job: Job, image: Image): Promise<Received | null> {
  if (image.original?.sound) {
    const bytes = await job.store.read(image.original.name);
    if (bytes && sha256(bytes) === image.original.sha256) {
      return { image: await advance(job, resumed), original: image.original, bytes };
    }
    job.log.error({ original: image.original.name }, 'the original is missing or damaged on disk');
  }
  // Attempts that were never closed: the process died during them, perhaps after a picture was stored. They may be of
  // earlier runs, such as one that was cancelled just before.
  for (const { id, provider, outcome, durationMs } of image.attempts.toReversed()) {
    if (outcome !== 'unknown' || durationMs !== null) continue;
    const name = originalName(image.mediaId, id);
    const bytes = await job.store.read(name);
    if (bytes === null) continue;
    const original = describeOriginal(name, bytes);
    const plan = job.upstreams.plan(provider, image.request);
    const found = await advance(job, (current) => {
      // A new run begins with the first provider in its record, and the picture may be another's.
      const isOther = provider !== current.provider;
      return adopted(current, id, original, plan && isOther ? plannedRecord(provider, plan) : null);
    });
    job.log.info({ attempt: id }, 'the picture had arrived before the restart; nothing is called again');
    return { image: found, original, bytes };
  }
  // An image is processing once its original is there, so it was there in this run, or in the one that the image succeeded in.
  if (image.status === 'processing') throw missingOriginal(image);
  return null;
}

/** Only a new request may pay for what was paid for before: the disk may be back by then, and the picture with it. */
function missingOriginal({ mediaId }: Image): ImageError {
  return new ImageError(
    'storage_unavailable',
    `the original of ${mediaId} is missing or damaged on disk; sent again, the same request uses it if it is back, or has another made`,
    { mediaId },
  );
}

async function generate(job: Job, image: Image): Promise<Received> {
  return await askInOrder(job, {
    candidates: job.upstreams.candidates(image.request),
    past: image.attempts.filter((attempt) => attempt.run === image.run),
    // Who waits for a turn, or for a retry, waits no longer when the process is to end.
    signal: AbortSignal.any([job.signals.cancelled, job.signals.draining]),
    attempt: ({ upstream, plan }) => attemptOnce(job, upstream.provider, plan),
  });
}

/**
 * One more paid try for a picture that was rejected, where that is allowed: once a run, within its attempts and the budget.
 * It shows as an attempt like any other. Raises `rejection` where it is not allowed, or not about the picture.
 */
async function regenerate(job: Job, image: Image, rejection: unknown): Promise<Received> {
  if (!(rejection instanceof ImageError && rejection.code === 'invalid_image') || isMended(image)) throw rejection;
  const attempts = image.attempts.filter((attempt) => attempt.run === job.run);
  const paid = attempts.filter((attempt) => attempt.outcome === 'ok').length;
  if (!job.regenerateOnReject || paid > 1 || attempts.length >= job.retry.maxAttempts) throw rejection;
  const generating = await advance(job, setAside);
  job.log.warn({ reason: rejection.message }, 'picture rejected, one more is paid for');
  const second = await generate(job, generating).catch((error: unknown) => {
    throw error instanceof ImageError && error.code === 'budget_exhausted' ? rejection : error;
  });
  const detail = `a first picture was set aside and another one paid for: ${rejection.message}`;
  const warned = await advance(job, (current) => withWarnings(current, [{ code: 'regenerated', detail }]));
  return { ...second, image: warned };
}

/** One call, written down before it is sent and closed after. Stores the picture whatever has become of the image meanwhile. */
async function attemptOnce(job: Job, provider: Provider, plan: GenerationPlan): Promise<Received> {
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
  const guard = guardSpending(job.budget, attempt.model, attempt.cost, began);
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
  await timed(job, 'store', () => untilStored(job, () => job.store.put(name, picture.bytes)));
  const original = describeOriginal(name, picture.bytes);
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

// ---------------------------------------------------------------- finish

async function finish(job: Job, { image, original, bytes }: Received): Promise<void> {
  const { renditions: wanted } = image.request;
  const pending = wanted.filter(({ format }) => job.deferredFormats.includes(format));
  const mended = isMended(image);
  const order = { ...finishOrder(job, image, original, pending), ...(mended && { checks: NO_CHECKS }) };
  const made = await timed(job, 'finish', () => job.imaging.finish(bytes, order));
  const { master, renditions, sources } = describeFiles(image, original, made);
  await timed(job, 'publish', () => untilStored(job, () => job.store.publish(sources)));
  const { thumbhash, dominantColour, checks, warnings } = made;
  const parts = { master, renditions, pending, thumbhash, dominantColour, checks, warnings };
  const ended = await advance(job, (current) => finished(current, parts, new Date(job.clock.now()).toISOString()));
  if (mended) job.log.info('image mended: its files are there again');
  else report(job, ended);
}

const NO_CHECKS: CheckPolicy = {
  uniformity: 'off',
  entropy: 'off',
  sharpness: 'off',
  borders: 'off',
  size: 'off',
  ratio: 'off',
};

/** What the image's original has to become, its `deferred` renditions later than the rest. */
export function finishOrder(
  { embedPrompt }: Pick<RunnerDeps, 'embedPrompt'>,
  image: Image,
  original: Original,
  deferred: readonly RenditionSpec[],
): FinishOrder {
  const { request } = image;
  return {
    requested: image.requestedSize,
    master: { ...request.size, format: request.format },
    crop: request.crop ?? 'centre',
    checks: request.checks ?? {},
    renditions: request.renditions.filter((spec) => !deferred.includes(spec)),
    deferred,
    provenance: {
      mediaId: image.mediaId,
      provider: image.provider,
      model: image.model,
      createdAt: image.createdAt,
      originalSha256: original.sha256,
      prompt: embedPrompt ? image.prompt : null,
    },
  };
}

function describeFiles(image: Image, original: Original, finished: FinishedPicture) {
  const sources: FileSource[] = [];
  const describe = (name: string, { bytes, width, height, format }: FinishedFile): MediaFile => {
    sources.push(bytes === null ? { name, from: original.name } : { name, bytes });
    return {
      name,
      width,
      height,
      format,
      bytes: bytes?.byteLength ?? original.bytes,
      sha256: bytes === null ? original.sha256 : sha256(bytes),
    };
  };
  const master = describe(masterName(image.mediaId, image.request.format), finished.master);
  const renditions = finished.renditions.map((file) => describe(renditionName(image.mediaId, file), file));
  return { master, renditions, sources };
}

// ------------------------------------------------------------------- end

/** Writes down why the image failed, unless it has ended otherwise meanwhile or the process is ending. */
async function settle(job: Job, error: unknown): Promise<void> {
  if (error instanceof SupersededError || job.signals.cancelled.aborted) return;
  if (job.signals.stopping.aborted || (job.signals.draining.aborted && isAbort(error))) {
    job.log.info('left unfinished for the next start');
    return;
  }
  const failure = explain(error);
  const rejected = error instanceof ImageError && error.code === 'invalid_image';
  try {
    const { code, message: detail, checks } = failure;
    const image = await advance(job, (current) =>
      failed(current, { error: { code, detail }, checks, rejected }, new Date(job.clock.now()).toISOString()),
    );
    report(job, image, failure);
  } catch (fault) {
    if (!(fault instanceof SupersededError))
      job.log.error({ err: fault }, 'the end of the image could not be recorded');
  }
}

/** Whether it is a wait that was broken off: by the signal's own reason, or as Node's timers say it. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** The error that callers are told. */
function explain(error: unknown): ImageError {
  if (error instanceof ImageError) return error;
  if (!(error instanceof ProviderError)) {
    return new ImageError(
      'invalid_image',
      `the picture could not be finished; its original is kept, and the same request tries again without paying`,
      { cause: error },
    );
  }
  switch (error.fault) {
    case 'refused':
      return new ImageError('prompt_rejected', error.message, { cause: error });
    case 'timeout':
      return new ImageError('provider_timeout', error.message, { cause: error });
    default:
      return new ImageError('provider_failed', error.message, { cause: error });
  }
}

function report(job: Job, image: Image, failure?: ImageError): void {
  job.telemetry.imageEnded(image);
  job.tracer.annotate(imageAttributes(image));
  if (failure) job.tracer.fail(failure);
  const { status, provider, model, cost } = image;
  const durationMs = job.clock.now() - Date.parse(image.createdAt);
  const line = { status, provider, model, attempts: image.attempts.length, durationMs, usd: cost.usd };
  if (failure)
    job.log.error({ ...line, code: failure.code, reason: failure.message, err: failure.cause }, 'image failed');
  else job.log.info(line, 'image succeeded');
}

// ------------------------------------------------------------- mechanics

function isCurrent(job: Job, image: Image): boolean {
  return image.run === job.run && !isFinished(image.status);
}

/**
 * Changes the record of an image that is still in this run; raises `SupersededError` when it is not.
 * A transition that is not legal there is a defect of the pipeline, raised as `TypeError`.
 */
async function advance(job: Job, transition: (image: Image) => Image | null, guard?: SpendingGuard): Promise<Image> {
  let current = false;
  let applied = false;
  const image = await change(
    job,
    (stored) => {
      current = isCurrent(job, stored);
      const next = current ? transition(stored) : null;
      applied = next !== null;
      return next;
    },
    guard,
  );
  if (image === null || !current) throw new SupersededError();
  if (!applied) throw new TypeError(`an image that is ${image.status} cannot take this step`);
  return image;
}

async function change(job: Job, next: (image: Image) => Image | null, guard?: SpendingGuard): Promise<Image | null> {
  const image = await untilStored(job, () => job.records.update(job.mediaId, next, guard));
  // Who cancels an image tells of it, once the work has ended.
  if (image?.status !== 'cancelled') job.events.publish(job.mediaId, image);
  return image;
}

/** Does one stage of the work, measured and traced. */
export async function timed<T>(
  job: Pick<Job, 'clock' | 'telemetry' | 'tracer'>,
  stage: Stage,
  work: () => Promise<T>,
  span: SpanDescription = { name: stage },
): Promise<T> {
  const began = job.clock.now();
  try {
    return await job.tracer.span(span, work);
  } finally {
    job.telemetry.stage(stage, (job.clock.now() - began) / 1000);
  }
}
