import { ImageError } from '../domain/errors.ts';
import { originalName, sha256, toOriginal } from '../domain/file-names.ts';
import { type Image, isFinished, isRepair } from '../domain/image.ts';
import { adopted, resumed, setAside, withWarnings } from '../domain/transitions.ts';
import { plannedRecord } from '../planning/plan.ts';
import type { JobSignals } from '../ports/job-queue.ts';
import { retryWhileStorageFails } from '../ports/storage-retry.ts';
import { callWithFallback } from '../upstream/fallback.ts';
import { attemptOnce } from './attempt.ts';
import { finish } from './finish.ts';
import { advance, type Job, type Received, type RunnerDeps } from './job.ts';
import { recordFailure } from './outcome.ts';
import { jobSpan } from './spans.ts';

/**
 * Takes an unfinished image through the steps it has not done yet: generate, store the original, check and finish, publish.
 * From the moment the original is durable, nothing here calls the provider for it again, unless it is rejected and
 * `regenerateOnReject` allows one more. Never rejects.
 */
export async function runImage(deps: RunnerDeps, mediaId: string, signals: JobSignals): Promise<void> {
  const job: Job = { ...deps, mediaId, run: 0, signals, log: deps.log.child({ mediaId }) };
  try {
    const image = await retryWhileStorageFails(job, () => deps.records.get(mediaId));
    if (image === null || isFinished(image.status)) return;
    await deps.tracer.span(jobSpan(image, 'job'), () => generateAndFinish({ ...job, run: image.run }, image));
  } catch (error) {
    await recordFailure(job, error);
  }
}

async function generateAndFinish(job: Job, image: Image): Promise<void> {
  try {
    const first = await obtainOriginal(job, image);
    await finish(job, first).catch(async (error: unknown) => {
      await finish(job, await regenerate(job, first.image, error));
    });
  } catch (error) {
    await recordFailure(job, error);
  }
}

async function obtainOriginal(job: Job, image: Image): Promise<Received> {
  const stored = await findStoredOriginal(job, image);
  return stored ?? (await generate(job, image));
}

/** The original that an earlier run, or this run in an earlier process, has paid for. */
async function findStoredOriginal(job: Job, image: Image): Promise<Received | null> {
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
    const original = toOriginal(name, bytes);
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
  return await callWithFallback(job, {
    candidates: job.upstreams.candidates(image.request),
    earlierAttempts: image.attempts.filter((attempt) => attempt.run === image.run),
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
  if (!(rejection instanceof ImageError && rejection.code === 'invalid_image') || isRepair(image)) throw rejection;
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
