import { renditionName, sha256 } from '../domain/file-names.ts';
import { hasSameOriginal, type Image } from '../domain/image.ts';
import { newWarnings, renditionsGivenUp, withRendition, withWarnings } from '../domain/transitions.ts';
import type { FinishedFile } from '../ports/imaging.ts';
import type { JobSignals } from '../ports/job-queue.ts';
import { retryWhileStorageFails } from '../ports/storage-retry.ts';
import { finishSpec } from './finish.ts';
import { type RunnerDeps, timed } from './job.ts';
import { jobSpan } from './spans.ts';

/** The second part of an image's work: the renditions that were too slow for the master to wait for. */
interface DeferredJob extends RunnerDeps {
  readonly signals: JobSignals;
}

/** The image is gone or the process ends: what is still pending is not made, or not now. */
class DeferredWorkStoppedError extends Error {
  override readonly name = 'LeftPendingError';
}

/**
 * Makes the pending renditions of a succeeded image and publishes each when it is ready. Does nothing for other images.
 * What is not done when the process ends stays pending on record, for the next start. Never rejects.
 */
export async function runDeferred(deps: RunnerDeps, mediaId: string, signals: JobSignals): Promise<void> {
  const job: DeferredJob = { ...deps, signals, log: deps.log.child({ mediaId }) };
  const image = await retryWhileStorageFails(job, () => job.records.get(mediaId)).catch(() => null);
  if (image?.status !== 'succeeded' || image.pending.length === 0 || signals.cancelled.aborted) return;
  try {
    await timed(job, 'deferred', () => makePendingRenditions(job, image), jobSpan(image, 'deferred'));
  } catch (error) {
    if (error instanceof DeferredWorkStoppedError || signals.cancelled.aborted || signals.stopping.aborted) {
      job.log.info('what renditions are still wanted is left for the next start');
    } else {
      await giveUp(job, image, error);
    }
  }
}

async function makePendingRenditions(job: DeferredJob, image: Image): Promise<void> {
  const { original } = image;
  const bytes = original && (await retryWhileStorageFails(job, () => job.store.read(original.name)));
  if (!original || !bytes || sha256(bytes) !== original.sha256) {
    throw new Error('the original is missing or damaged on disk');
  }
  const spec = finishSpec(job, image, original, image.pending);
  const warnings = await job.imaging.finishDeferred(bytes, spec, (file) => publishRendition(job, image, file));
  // The same may have been said of the files that were made with the master.
  if (newWarnings(image.warnings, warnings).length === 0) return;
  await change(job, image, (latest) => withWarnings(latest, warnings));
}

async function publishRendition(job: DeferredJob, image: Image, rendition: FinishedFile): Promise<void> {
  const { signals, store } = job;
  const { bytes, width, height, format } = rendition;
  const current = await retryWhileStorageFails(job, () => job.records.get(image.mediaId));
  if (signals.cancelled.aborted || signals.stopping.aborted || !hasSameOriginal(current, image))
    throw new DeferredWorkStoppedError();
  if (bytes === null) throw new TypeError('a rendition is never the original itself');
  const name = renditionName(image.mediaId, rendition);
  const file = { name, width, height, format, bytes: bytes.byteLength, sha256: sha256(bytes) };
  await retryWhileStorageFails(job, () => store.publish([{ name, bytes }]));
  await change(job, image, (latest) => withRendition(latest, file));
}

/** The master stands, so the image stays what it is, and says which renditions there will not be. */
async function giveUp(job: DeferredJob, image: Image, error: unknown): Promise<void> {
  job.log.error({ err: error }, 'renditions could not be made');
  const reason = error instanceof Error ? error.message : String(error);
  // What became pending meanwhile has not been tried.
  await change(job, image, (latest) => renditionsGivenUp(latest, image.pending, reason)).catch((fault: unknown) =>
    job.log.error({ err: fault }, 'renditions stay pending: the record cannot be written'),
  );
}

async function change(job: DeferredJob, image: Image, next: (latest: Image) => Image | null): Promise<void> {
  const { mediaId } = image;
  const latest = await retryWhileStorageFails(job, () =>
    job.records.update(mediaId, (current) => (hasSameOriginal(current, image) ? next(current) : null)),
  );
  job.events.publish(mediaId, latest);
}
