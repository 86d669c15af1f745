import { type Image, isFinished } from '../domain/image.ts';
import type { RunJob } from '../ports/job-queue.ts';
import type { Tracer } from '../ports/tracer.ts';
import type { Finish } from './finish.ts';
import type { Generate, Regenerate } from './generate.ts';
import { claimImage, inRun, nameRequest, type OpenJob, type Run } from './job.ts';
import type { RecordFailure } from './outcome.ts';
import { jobSpan } from './spans.ts';
import type { FindStoredOriginal } from './stored-original.ts';

/** Run of a job whose record could not be read. Images count their runs from 1, so it is current for none and writes nothing. */
const NO_RUN = 0;

/**
 * Takes an unfinished image through the stages it has not done yet: find its stored original or generate one, finish, publish, end. From
 * the moment the original is durable, nothing here calls a provider for it again, unless it is rejected and `regenerateOnReject` allows one
 * more. A job that another process claims meanwhile ends without a trace, but for what it has paid for. Never rejects.
 */
export function createRunImage({
  openJob,
  findStoredOriginal,
  generate,
  finish,
  regenerate,
  recordFailure,
  tracer,
}: {
  readonly openJob: OpenJob;
  readonly findStoredOriginal: FindStoredOriginal;
  readonly generate: Generate;
  readonly finish: Finish;
  readonly regenerate: Regenerate;
  readonly recordFailure: RecordFailure;
  readonly tracer: Tracer;
}): RunJob {
  return async (mediaId, signals, claim) => {
    const job = openJob(mediaId, signals, claim);
    try {
      const found = await job.read();
      if (found === null || isFinished(found.status)) return;
      const image = await claimImage(job, found, ({ status }) => !isFinished(status));
      nameRequest(job, image);
      await tracer.span(jobSpan(image, 'job'), () => runStages(inRun(job, image.run), image));
    } catch (error) {
      await recordFailure(inRun(job, NO_RUN), error);
    }
  };

  async function runStages(run: Run, image: Image): Promise<void> {
    try {
      const first = (await findStoredOriginal(run, image)) ?? (await generate(run, image));
      await finish(run, first).catch(async (error: unknown) => {
        await finish(run, await regenerate(run, first.image, error));
      });
    } catch (error) {
      // Recorded inside the span of the job, which takes its outcome from here.
      await recordFailure(run, error);
    }
  }
}
