import { DamagedOriginalError, faultFields } from '../domain/errors.ts';
import { publishedAs, renditionName, storedNameOf } from '../domain/file-names.ts';
import { hasSameOriginal, type Image } from '../domain/image.ts';
import { newWarnings, renditionsGivenUp, withRendition, withWarnings } from '../domain/life-cycle/transitions.ts';
import type { FinishedFile, Imaging } from '../ports/imaging.ts';
import type { RunJob } from '../ports/job-queue.ts';
import type { MediaStore } from '../ports/media-store.ts';
import { finishSpec } from './finish.ts';
import { giveUpFiles } from './give-up-files.ts';
import { claimImage, type Job, nameRequest, type OpenJob } from './job.ts';
import { jobSpan } from './spans.ts';

/** Stops the work on pending renditions: the image was deleted or made again, its job claimed anew, or the process stops. */
class DeferredWorkStoppedError extends Error {
  override readonly name = 'DeferredWorkStoppedError';
}

/**
 * Makes the pending renditions of a succeeded image and publishes each when it is ready. Does nothing for other images.
 * What is not done when the process ends stays pending on record, for the next start. Never rejects.
 */
export function createDeferredRenditions({
  openJob,
  store,
  imaging,
  embedPrompt,
  contentNames,
}: {
  readonly openJob: OpenJob;
  readonly store: Pick<MediaStore, 'read' | 'publish' | 'remove'>;
  readonly imaging: Pick<Imaging, 'finishDeferred'>;
  /** Whether prompts are written into the files. */
  readonly embedPrompt: boolean;
  /** As that of `createFinish`. */
  readonly contentNames: boolean;
}): RunJob {
  return async (mediaId, signals, claim) => {
    const job = openJob(mediaId, signals, claim);
    const image = await take(job).catch(() => null);
    if (image === null) return;
    try {
      await job.timed('deferred', () => makePending(job, image), jobSpan(image, 'deferred'));
    } catch (error) {
      if (error instanceof DeferredWorkStoppedError || isStopped(job)) {
        job.log.info('pending renditions are left for the next start');
      } else {
        await giveUp(job, image, error);
      }
    }
  };

  /** The image, taken for the job's claim; null where it has no pending renditions, or another process makes them. */
  async function take(job: Job): Promise<Image | null> {
    const found = await job.read();
    if (found === null || !isDue(found) || job.signals.cancelled.aborted) return null;
    nameRequest(job, found);
    return await claimImage(job, found, isDue);
  }

  async function makePending(job: Job, image: Image): Promise<void> {
    const { original } = image;
    if (!original) throw missing();
    const read = async () => {
      const bytes = await job.retryRead(() => store.read(original.name));
      if (bytes === null) throw missing();
      return bytes;
    };
    const spec = finishSpec(image, original, image.pending, embedPrompt);
    const making = imaging.finishDeferred(read, spec, (file) => publish(job, image, file));
    const warnings = await making.catch((error: unknown) => {
      throw error instanceof DamagedOriginalError ? missing() : error;
    });
    // The record may have these warnings already, from the files that were made with the master.
    if (newWarnings(image.warnings, warnings).length === 0) return;
    await changeSame(job, image, (latest) => withWarnings(latest, warnings));
  }

  async function publish(job: Job, image: Image, rendition: FinishedFile): Promise<void> {
    const { bytes, width, height, format, sha256 } = rendition;
    const current = await job.read();
    if (isStopped(job) || current === null || !isSame(job, current, image)) throw new DeferredWorkStoppedError();
    if (bytes === null) throw new TypeError('a rendition is never the original itself');
    const names = publishedAs(renditionName(image.mediaId, rendition), sha256, contentNames);
    const file = { ...names, width, height, format, bytes: bytes.byteLength, sha256 };
    await job.retry(() => store.publish([{ name: storedNameOf(names), bytes }]));
    const stored = await changeSame(job, image, (latest) => withRendition(latest, file));
    if (stored !== null && isSame(job, stored, image)) return;
    if (contentNames) await giveUpFiles(job, store, [storedNameOf(names)]);
    throw new DeferredWorkStoppedError();
  }
}

function missing(): Error {
  return new Error('the original is missing or damaged on disk');
}

/** Replaces the pending renditions by warnings. The master stands, so the image stays succeeded. */
async function giveUp(job: Job, image: Image, error: unknown): Promise<void> {
  job.log.error(faultFields(error), 'renditions could not be made');
  const reason = error instanceof Error ? error.message : String(error);
  // Only what was pending when this job began has been tried.
  await changeSame(job, image, (latest) => renditionsGivenUp(latest, image.pending, reason)).catch((fault: unknown) =>
    job.log.error(faultFields(fault), 'renditions stay pending: the record cannot be written'),
  );
}

/** Changes the record while it still has the original that the job began with, and the job's claim. */
async function changeSame(job: Job, image: Image, transition: (latest: Image) => Image | null): Promise<Image | null> {
  return await job.change((current) => (isSame(job, current, image) ? transition(current) : null));
}

function isSame(job: Job, current: Image, image: Image): boolean {
  return hasSameOriginal(current, image) && job.holds(current);
}

function isDue({ status, pending }: Image): boolean {
  return status === 'succeeded' && pending.length > 0;
}

function isStopped({ signals }: Job): boolean {
  return signals.cancelled.aborted || signals.stopping.aborted;
}
