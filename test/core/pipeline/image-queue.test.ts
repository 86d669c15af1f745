import { setImmediate as settled } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createLocalQueue } from '../../../src/adapters/queue/local.ts';
import { createImageQueue } from '../../../src/core/pipeline/image-queue.ts';
import type { JobQueue, JobSignals, RunJob } from '../../../src/core/ports/job-queue.ts';

/** Jobs that run until the test ends them, or a signal does, by `kind mediaId`. */
function controlledJobs() {
  const running = new Map<string, () => void>();
  const started: string[] = [];
  const run = (kind: string): RunJob => {
    return async (mediaId: string, { cancelled, stopping }: JobSignals) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const job = `${kind} ${mediaId}`;
      started.push(job);
      running.set(job, resolve);
      for (const signal of [cancelled, stopping]) signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
      running.delete(job);
    };
  };
  const end = async (job: string) => {
    running.get(job)?.();
    await settled();
  };
  return { started, end, runImage: run('image'), runDeferred: run('deferred'), running: () => [...running.keys()] };
}

async function setUp(...mediaIds: readonly string[]) {
  const jobs = controlledJobs();
  const queue = createImageQueue({ createQueue: createLocalQueue, concurrency: 2, ...jobs });
  for (const mediaId of mediaIds) await queue.enqueue(mediaId);
  await settled();
  return { ...jobs, queue };
}

describe('the image queue', () => {
  it('runs the deferred job of each image after the image, one at a time and beside other images', async () => {
    const { queue, end, running } = await setUp('a', 'b', 'c', 'd');
    expect(running()).toEqual(['image a', 'image b']);
    await end('image a');
    await end('image b');
    expect(running()).toEqual(['deferred a', 'image c', 'image d']);
    expect(await queue.depth()).toEqual({ waiting: 0, running: 2, deferred: 2 });
    await end('deferred a');
    expect(running()).toEqual(['image c', 'image d', 'deferred b']);
    expect(await queue.depth()).toEqual({ waiting: 0, running: 2, deferred: 1 });
  });

  it.each([
    ['image', []],
    ['deferred', ['image a']],
  ])('cancels the %s job that runs', async (kind, ended) => {
    const { queue, end, running } = await setUp('a');
    for (const job of ended) await end(job);
    expect(running()).toEqual([`${kind} a`]);
    await queue.cancel('a');
    expect(running()).not.toContain(`${kind} a`);
  });

  it('stops when neither queue runs anything, and begins no image that waits', async () => {
    const { queue, started, end, running } = await setUp('a', 'b', 'c', 'd');
    await end('image a');
    expect(running()).toEqual(['image b', 'deferred a', 'image c']);
    await queue.stop(AbortSignal.abort());
    expect(running()).toEqual([]);
    expect(started).not.toContain('image d');
  });

  it('cancels and stops both queues, that of the images first', async () => {
    const calls: string[] = [];
    const createQueue = ({ concurrency }: { readonly concurrency: number }): JobQueue => ({
      enqueue: async () => {},
      depth: async () => ({ waiting: 0, running: 0 }),
      cancel: async () => void calls.push(`cancel ${concurrency}`),
      stop: async () => void calls.push(`stop ${concurrency}`),
    });
    const { runImage, runDeferred } = controlledJobs();
    const queue = createImageQueue({ createQueue, concurrency: 4, runImage, runDeferred });
    await queue.cancel('a');
    await queue.stop(AbortSignal.abort());
    expect(calls).toEqual(['cancel 4', 'cancel 1', 'stop 4', 'stop 1']);
  });
});
