import type { RenditionFormat } from '../domain/formats.ts';
import { type Image, isFinished, type Original } from '../domain/image.ts';
import type { Budget, SpendingGuard } from '../domain/money.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { Imaging } from '../ports/imaging.ts';
import type { JobSignals } from '../ports/job-queue.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { retryWhileStorageFails } from '../ports/storage-retry.ts';
import type { Stage } from '../ports/telemetry.ts';
import type { SpanDescription, Tracer } from '../ports/tracer.ts';
import type { FallbackDeps } from '../upstream/fallback.ts';
import type { Upstreams } from '../upstream/upstreams.ts';

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
export class SupersededError extends Error {
  override readonly name = 'SupersededError';
}

/** An image whose original is durable. */
export interface Received {
  readonly image: Image;
  readonly original: Original;
  readonly bytes: Uint8Array;
}

export function isCurrent(job: Job, image: Image): boolean {
  return image.run === job.run && !isFinished(image.status);
}

/**
 * Changes the record of an image that is still in this run; raises `SupersededError` when it is not.
 * A transition that is not legal there is a defect of the pipeline, raised as `TypeError`.
 */
export async function advance(
  job: Job,
  transition: (image: Image) => Image | null,
  guard?: SpendingGuard,
): Promise<Image> {
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

export async function change(
  job: Job,
  next: (image: Image) => Image | null,
  guard?: SpendingGuard,
): Promise<Image | null> {
  const image = await retryWhileStorageFails(job, () => job.records.update(job.mediaId, next, guard));
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
