import { expect, it } from 'vitest';
import { ImageError, ProviderError } from '../../../src/core/domain/errors.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { opened } from '../../../src/core/domain/life-cycle/attempt-transitions.ts';
import { inRun, SupersededError } from '../../../src/core/pipeline/job.ts';
import { createOutcome } from '../../../src/core/pipeline/outcome.ts';
import type { JobSignals } from '../../../src/core/ports/job-queue.ts';
import { NO_TRACING } from '../../../src/core/ports/tracer.ts';
import { attemptOf, imageIn, planOf } from '../domain/life-cycle/example-changes.ts';
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

it('logs no negative duration where the clock was set back since the request', async () => {
  const image = { ...imageIn('processing'), requestedAt: '2126-11-23T12:00:00.000Z' };
  const { job, clock, lines } = openJobOf(image);
  const { recordFailure } = createOutcome({ telemetry: { imageEnded: () => undefined }, tracer: NO_TRACING, clock });
  await recordFailure(inRun(job, image.run), new Error('a defect'));
  expect(lines).toMatchObject([{ msg: 'image failed', durationMs: 0 }]);
});

const stoppedCall = new ProviderError('cancelled', 'the call was ended');
const stoppedWait = new DOMException('the wait was ended', 'AbortError');
const rejection = new ImageError('invalid_image', 'it is blank');

it.each<[string, readonly (keyof JobSignals)[], Error, string | null]>([
  ['the error of a call', [], new ProviderError('timeout', 'no answer'), 'provider_timeout'],
  ['that no provider edits', [], new ProviderError('edits_refused', 'no endpoint'), 'unsupported_parameter'],
  [
    'a call that ended by itself while the process stops',
    ['draining'],
    new ProviderError('overloaded', 'no'),
    'provider_failed',
  ],
  ['a rejection while the process stops', ['draining'], rejection, 'invalid_image'],
  ['a wait that the stop ended', ['draining'], stoppedWait, null],
  ['a call that the stop ended', ['draining'], stoppedCall, null],
  ['any error once the process ends', ['draining', 'stopping'], rejection, null],
  // The cancel was meant for the run before, and has the image queued again.
  ['any error of a job that is cancelled', ['cancelled'], rejection, null],
  ['the error of a run that was superseded', [], new SupersededError(), null],
])('records of %s: (%j)', async (_what, fired, error, code) => {
  const image = imageIn('processing');
  const { job, clock } = openJobOf(image);
  const signals: JobSignals = {
    ...job.signals,
    ...Object.fromEntries(fired.map((name) => [name, AbortSignal.abort()])),
  };
  const { recordFailure } = createOutcome({ telemetry: { imageEnded: () => {} }, tracer: NO_TRACING, clock });
  await recordFailure({ ...inRun(job, image.run), signals }, error);
  const stored = await job.read();
  if (code === null) expect(stored).toEqual(image);
  else
    expect(stored).toMatchObject({ status: 'failed', error: { code }, original: { sound: code !== 'invalid_image' } });
});

it.each([
  ['a refused prompt', new ProviderError('refused', 'the safety system refused the prompt'), 30, 'prompt_rejected'],
  ['a budget that is spent', new ImageError('budget_exhausted', 'no room'), 30, 'budget_exhausted'],
  ['a provider that fails', new ProviderError('overloaded', 'the server had an error'), 40, 'provider_failed'],
  ['a picture that is no good', rejection, 40, 'invalid_image'],
  ['a defect', new TypeError('a defect'), 50, 'internal_error'],
])('logs %s at its level, with a stack only for a defect', async (_what, error, level, code) => {
  const image = imageIn('generating');
  const { job, clock, lines } = openJobOf(image);
  const { recordFailure } = createOutcome({ telemetry: { imageEnded: () => {} }, tracer: NO_TRACING, clock });
  await recordFailure(inRun(job, image.run), error);
  expect(lines).toMatchObject([{ level, code, msg: 'image failed', mediaId: 'x' }]);
  expect(JSON.stringify(lines).includes('stack')).toBe(level === 50);
});
