import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createLocalQueue } from '../../../src/adapters/queue/local.ts';
import { controlledJobs, describeJobQueue } from '../../contracts/job-queue.ts';

describeJobQueue('local', async () => ({
  open: async (options) => createLocalQueue(options),
  settled: () => turn(),
  dispose: async () => {},
}));

it('runs jobs first in, first out', async () => {
  const jobs = controlledJobs();
  const queue = createLocalQueue({ concurrency: 2, run: jobs.run });
  for (const mediaId of ['a', 'b', 'c', 'd']) await queue.enqueue(mediaId);
  await turn();
  expect(jobs.started).toEqual(['a', 'b']);
  jobs.end('b');
  await turn();
  expect(jobs.started).toEqual(['a', 'b', 'c']);
  jobs.end('c');
  await turn();
  expect(jobs.started).toEqual(['a', 'b', 'c', 'd']);
});
