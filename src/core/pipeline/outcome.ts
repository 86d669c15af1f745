import { ImageError, ProviderError } from '../domain/errors.ts';
import type { Image } from '../domain/image.ts';
import { failed } from '../domain/transitions.ts';
import { advance, type Job, SupersededError } from './job.ts';
import { imageAttributes } from './spans.ts';

/** Writes down why the image failed, unless it has ended otherwise meanwhile or the process is ending. */
export async function recordFailure(job: Job, error: unknown): Promise<void> {
  if (error instanceof SupersededError || job.signals.cancelled.aborted) return;
  if (job.signals.stopping.aborted || (job.signals.draining.aborted && isAbort(error))) {
    job.log.info('left unfinished for the next start');
    return;
  }
  const failure = toImageError(error);
  const rejected = error instanceof ImageError && error.code === 'invalid_image';
  try {
    const { code, message: detail, checks } = failure;
    const image = await advance(job, (current) =>
      failed(current, { error: { code, detail }, checks, rejected }, new Date(job.clock.now()).toISOString()),
    );
    reportOutcome(job, image, failure);
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
function toImageError(error: unknown): ImageError {
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

export function reportOutcome(job: Job, image: Image, failure?: ImageError): void {
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
