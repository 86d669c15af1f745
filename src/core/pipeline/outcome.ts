import { faultFields, ImageError, isCausedByCaller, ProviderError, reasonOf } from '../domain/errors.ts';
import type { Image } from '../domain/image.ts';
import { failed } from '../domain/life-cycle/transitions.ts';
import type { Clock } from '../ports/clock.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import type { Tracer } from '../ports/tracer.ts';
import { type Run, SupersededError } from './job.ts';
import { imageAttributes } from './spans.ts';

/**
 * Records why the run failed. Writes nothing where the image was cancelled, deleted or rerun meanwhile, nor where the process
 * stops, so that the next start resumes the run. Never rejects.
 */
export type RecordFailure = (run: Run, error: unknown) => Promise<void>;

/** Reports the end of a run to metrics, trace and log. */
export type ReportOutcome = (run: Run, image: Image, failure?: ImageError) => void;

export function createOutcome({
  telemetry,
  tracer,
  clock,
}: {
  readonly telemetry: Pick<Telemetry, 'imageEnded'>;
  readonly tracer: Tracer;
  readonly clock: Clock;
}): { readonly recordFailure: RecordFailure; readonly reportOutcome: ReportOutcome } {
  return { recordFailure, reportOutcome };

  async function recordFailure(run: Run, error: unknown): Promise<void> {
    const { signals, log } = run;
    if (error instanceof SupersededError || signals.cancelled.aborted) return;
    if (signals.stopping.aborted || (signals.draining.aborted && isStop(error))) {
      log.info('left unfinished for the next start');
      return;
    }
    const failure = toImageError(error);
    const rejected = error instanceof ImageError && error.code === 'invalid_image';
    try {
      const { code, message: detail, checks } = failure;
      const image = await run.advance((current) =>
        failed(current, { error: { code, detail }, checks, rejected }, new Date(clock.now()).toISOString()),
      );
      reportOutcome(run, image, failure);
    } catch (fault) {
      if (!(fault instanceof SupersededError))
        log.error(faultFields(fault), 'the end of the image could not be recorded');
    }
  }

  function reportOutcome(run: Run, image: Image, failure?: ImageError): void {
    telemetry.imageEnded(image);
    tracer.annotate(imageAttributes(image));
    if (failure && !isCausedByCaller(failure.code)) tracer.fail(failure);
    const { status, provider, model, cost } = image;
    // Over restarts, so that only the time of day tells; that may have been set back meanwhile.
    const durationMs = Math.max(0, clock.now() - Date.parse(image.requestedAt));
    const line = {
      status,
      provider,
      model,
      attempts: image.attempts.length + (image.omitted?.count ?? 0),
      durationMs,
      usd: cost.usd,
    };
    if (failure) {
      const { code, cause } = failure;
      const isDefect = code === 'internal_error';
      const level = isDefect ? 'error' : isCausedByCaller(code) ? 'info' : 'warn';
      // Only a defect needs its stack; other failures are expected, and their reason says what there is.
      run.log[level]({ ...line, code, reason: reasonOf(failure), ...(isDefect && { err: cause }) }, 'image failed');
    } else run.log.info(line, 'image succeeded');
  }
}

/** True for the error of a wait that a signal ended (its own reason, or the `AbortError` of Node's timers), and of a call it ended. */
function isStop(error: unknown): boolean {
  if (error instanceof ProviderError) return error.fault === 'cancelled';
  return error instanceof Error && error.name === 'AbortError';
}

/** Maps any error to the `ImageError` that callers see. */
function toImageError(error: unknown): ImageError {
  if (error instanceof ImageError) return error;
  if (!(error instanceof ProviderError)) {
    return new ImageError(
      'internal_error',
      'something went wrong inside the service; what was paid for is kept, and the same request goes on from there',
      { cause: error },
    );
  }
  switch (error.fault) {
    case 'refused':
      return new ImageError('prompt_rejected', error.message, { cause: error });
    case 'edits_refused':
      return new ImageError('unsupported_parameter', error.message, { cause: error });
    case 'timeout':
      return new ImageError('provider_timeout', error.message, { cause: error });
    default:
      return new ImageError('provider_failed', error.message, { cause: error });
  }
}
