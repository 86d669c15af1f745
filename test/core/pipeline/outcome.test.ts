import { expect, it } from 'vitest';
import { opened } from '../../../src/core/domain/attempt-transitions.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { inRun } from '../../../src/core/pipeline/job.ts';
import { createOutcome } from '../../../src/core/pipeline/outcome.ts';
import { NO_TRACING } from '../../../src/core/ports/tracer.ts';
import { attemptOf, imageIn, planOf } from '../domain/example-changes.ts';
import { openJobOf } from './job-of.ts';

it('ends a run with a step that is not legal as failed, keeps its picture, and logs the defect', async () => {
  const image = imageIn('processing');
  const { job, clock, lines } = openJobOf(image);
  const ended: Image[] = [];
  const telemetry = { imageEnded: (last: Image) => void ended.push(last) };
  const { recordFailure } = createOutcome({ telemetry, tracer: NO_TRACING, clock });
  const run = inRun(job, image.run);

  // A call is never opened while the picture is processed.
  const step = run.advance((current) => opened(current, attemptOf('b', 1), planOf('second')));
  await step.catch((error: unknown) => recordFailure(run, error));

  const stored = await job.read();
  expect(stored).toMatchObject({ status: 'failed', error: { code: 'internal_error' }, original: { sound: true } });
  expect(stored?.attempts).toEqual(image.attempts);
  expect(stored?.error?.detail).toBe(
    'something went wrong inside the service; what was paid for is kept, and the same request goes on from there',
  );
  expect(ended).toEqual([stored]);
  expect(lines).toMatchObject([
    { msg: 'image failed', mediaId: 'x', err: { message: 'an image that is processing cannot take this step' } },
  ]);
});
