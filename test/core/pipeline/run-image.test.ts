import { expect, it } from 'vitest';
import { FINISHED_STATUSES } from '../../../src/core/domain/image.ts';
import { createRunImage } from '../../../src/core/pipeline/run-image.ts';
import { NO_TRACING } from '../../../src/core/ports/tracer.ts';
import { imageIn } from '../domain/life-cycle/example-changes.ts';
import { openJobOf } from './job-of.ts';

it.each(FINISHED_STATUSES)(
  'an image that has %s is left alone, as where it is queued for its renditions',
  async (status) => {
    const { job } = openJobOf(imageIn(status));
    const done: string[] = [];
    const step = (name: string) => () => {
      done.push(name);
      return Promise.reject(new Error('is not called'));
    };
    const runImage = createRunImage({
      openJob: () => job,
      findStoredOriginal: step('find'),
      generate: step('generate'),
      finish: step('finish'),
      regenerate: step('regenerate'),
      recordFailure: async () => void done.push('failure'),
      tracer: NO_TRACING,
    });
    await runImage('x', job.signals);
    expect(done).toEqual([]);
  },
);
