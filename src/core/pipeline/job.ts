import type { Logger } from 'pino';
import { type Image, isFinished } from '../domain/image.ts';
import { claimed } from '../domain/life-cycle/transitions.ts';
import type { SpendingGuard } from '../domain/money.ts';
import type { Clock } from '../ports/clock.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { JobSignals } from '../ports/job-queue.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { retryWhileStorageFails } from '../ports/storage-retry.ts';
import type { Stage, Telemetry } from '../ports/telemetry.ts';
import type { SpanDescription, Tracer } from '../ports/tracer.ts';

/** One job of an image, with the operations that all its steps share. */
export interface Job {
  readonly mediaId: string;
  readonly signals: JobSignals;
  /** The fencing token of `RunJob`; undefined where a job cannot be claimed twice. */
  readonly claim: number | undefined;
  /** True while no other process has claimed the job of the image. It always is where a job cannot be claimed twice. */
  holds(image: Image): boolean;
  /** Writes the mediaId into every line. */
  readonly log: Logger;
  /** Retries an access to the storage that must not be lost, until it succeeds, the image is deleted or the process stops. */
  retry<T>(access: () => Promise<T>): Promise<T>;
  /** Retries the read of an original for a minute: one that cannot be read for good must not hold up the others. */
  retryRead<T>(access: () => Promise<T>): Promise<T>;
  /** The image as it is stored, or null where there is none. Retried while the storage fails. */
  read(): Promise<Image | null>;
  /**
   * Changes the record and publishes what is then stored, which it returns: null for an image that was deleted. `transition`
   * returns null to leave the record as it is. Retried while the storage fails; what `guard` raises is raised.
   */
  change(transition: (image: Image) => Image | null, guard?: SpendingGuard): Promise<Image | null>;
  /** Does one stage of the work, measured and traced. */
  timed<T>(stage: Stage, work: () => Promise<T>, span?: SpanDescription): Promise<T>;
}

/** Begins a job of the image with this mediaId. */
export type OpenJob = (mediaId: string, signals: JobSignals, claim?: number) => Job;

/** One run of one image. Its writes apply only while the image is still in this run, and its job still held. */
export interface Run extends Job {
  /** `Image.run` of this run. */
  readonly number: number;
  /** True while the image is unfinished, in this run and held. */
  isCurrent(image: Image): boolean;
  /**
   * Changes the record of an image that is still in this run; raises `SupersededError` when it is not.
   * A transition that is not legal there is a defect of the pipeline, raised as `TypeError`. A transition may be called several times, and
   * must then either repeat its result or be illegal.
   */
  advance(transition: (image: Image) => Image | null, guard?: SpendingGuard): Promise<Image>;
}

const MAX_READ_WAIT_MS = 60_000;

/** The image was cancelled, deleted or rerun, or its job was claimed by another process: this run must write nothing more. */
export class SupersededError extends Error {
  override readonly name = 'SupersededError';
}

/** The picture has arrived at a process that had claimed the job of the image before, while this one waited for its call. */
export class PictureArrivedError extends Error {
  override readonly name = 'PictureArrivedError';
}

export function createOpenJob({
  records,
  events,
  telemetry,
  tracer,
  clock,
  log: serviceLog,
}: {
  readonly records: Pick<RecordStore, 'get' | 'update'>;
  readonly events: Pick<ImageEvents, 'publish'>;
  readonly telemetry: Pick<Telemetry, 'stage'>;
  readonly tracer: Tracer;
  readonly clock: Clock;
  readonly log: Logger;
}): OpenJob {
  return (mediaId, signals, claim) => {
    const log = serviceLog.child({ mediaId });
    // What is kept for an image that is deleted meanwhile need not be kept.
    const stopping = AbortSignal.any([signals.stopping, signals.discarded]);
    const retry = <T>(access: () => Promise<T>, maxWaitMs?: number) =>
      retryWhileStorageFails({ stopping, maxWaitMs, clock, log }, access);

    return {
      mediaId,
      signals,
      claim,
      holds: (image) => claim === undefined || image.claim === claim,
      log,
      retry: (access) => retry(access),
      retryRead: (access) => retry(access, MAX_READ_WAIT_MS),
      read: () => retry(() => records.get(mediaId)),

      async change(transition, guard) {
        const image = await retry(() => records.update(mediaId, transition, guard));
        // The use case that cancels an image publishes that itself, once the work on the image has ended.
        if (image?.status !== 'cancelled') events.publish(mediaId, image);
        return image;
      },

      async timed(stage, work, span = { name: stage }) {
        const began = clock.monotonic();
        try {
          return await tracer.span(span, work);
        } finally {
          telemetry.stage(stage, (clock.monotonic() - began) / 1000);
        }
      },
    };
  };
}

/** Has every further line of the job name the request that started the image's run, in this process or an earlier one. */
export function nameRequest({ log }: Job, { requestId = null }: Image): void {
  if (requestId !== null) log.setBindings({ requestId });
}

/**
 * Takes the image for the job's claim, where `isDue` holds for it, and returns it as it is then stored: no earlier claim writes what only
 * the holder may write from now on. A job that cannot be claimed twice writes nothing here. Raises `SupersededError` where the job was
 * claimed later than this, or nothing is due any more.
 */
export async function claimImage(job: Job, found: Image, isDue: (image: Image) => boolean): Promise<Image> {
  const { claim } = job;
  if (claim === undefined) return found;
  let isOurs = false;
  const image = await job.change((stored) => {
    const next = isDue(stored) ? claimed(stored, claim) : null;
    isOurs = next !== null;
    return next === stored ? null : next;
  });
  if (image === null || !isOurs) throw new SupersededError();
  return image;
}

/** The run with this number, on top of its job. */
export function inRun(job: Job, number: number): Run {
  const isCurrent = (image: Image) => image.run === number && !isFinished(image.status) && job.holds(image);

  return {
    ...job,
    number,
    isCurrent,

    async advance(transition, guard) {
      let current = false;
      // A write can be committed and still raise `storage_unavailable`. `change` then repeats a step that is already taken: it is no
      // error if the transition is illegal by now, or if the image has the end that the first try wrote.
      let written: Image | null = null;
      const image = await job.change((stored) => {
        const unfinished = isCurrent(stored);
        // Only the run itself ends its image as succeeded or failed.
        current = unfinished || (stored.run === number && job.holds(stored) && stored.status === written?.status);
        const next = unfinished ? transition(stored) : null;
        written = next ?? written;
        return next;
      }, guard);
      if (image === null || !current) throw new SupersededError();
      if (written === null) throw new TypeError(`an image that is ${image.status} cannot take this step`);
      return image;
    },
  };
}
