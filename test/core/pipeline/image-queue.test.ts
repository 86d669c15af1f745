import { randomUUID } from 'node:crypto';
import { setImmediate as settled } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createLocalQueue } from '../../../src/adapters/queue/local.ts';
import { createImageQueue } from '../../../src/core/pipeline/image-queue.ts';
import { createRunningCalls } from '../../../src/core/pipeline/running-calls.ts';
import type { JobQueue, JobSignals, RunJob } from '../../../src/core/ports/job-queue.ts';
import { createManualClock } from '../../support/test-clock.ts';

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
  return {
    started,
    end,
    runImage: run('image'),
    runDeferred: run('deferred'),
    hasPending,
    running: () => [...running.keys()],
  };
}

/** Renditions of these are pending. */
const hasPending = async (mediaId: string) => !mediaId.startsWith('whole');

async function setUp(...mediaIds: readonly string[]) {
  const jobs = controlledJobs();
  const clock = createManualClock();
  const runningCalls = createRunningCalls();
  const queue = createImageQueue({ createQueue: createLocalQueue, concurrency: 2, ...jobs, runningCalls, clock });
  for (const mediaId of mediaIds) await queue.enqueue(mediaId);
  await settled();
  /** Makes a call that is out until the returned function is called. */
  const callOut = () => {
    const call = runningCalls.begin(randomUUID());
    return async () => {
      call[Symbol.dispose]();
      await settled();
    };
  };
  const stop = (graceMs: number) => {
    const deadline = new AbortController();
    void clock.sleep(graceMs).then(() => deadline.abort());
    const counts: number[] = [];
    const stopped = queue.stop(deadline.signal, { finishMs: 5000, onRunningCalls: (count) => counts.push(count) });
    let over = false;
    void stopped.then(() => {
      over = true;
    });
    return { counts, stopped, isOver: () => settled().then(() => over) };
  };
  const pass = async (ms: number) => {
    clock.move(ms);
    await settled();
  };
  return { ...jobs, queue, callOut, stop, pass };
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

  it('begins nothing that waits once it stops, and stops at once when no image runs any more', async () => {
    const { queue, stop, started, end } = await setUp('a', 'b', 'c', 'd');
    await end('image a');
    await end('deferred a');
    const { stopped, isOver } = stop(60_000);
    await end('image b');
    expect(await isOver()).toBe(false);
    await end('image c');
    await stopped;
    expect(started).toEqual(['image a', 'image b', 'deferred a', 'image c']);
    expect(await queue.depth()).toEqual({ waiting: 0, running: 0, deferred: 0 });
  });

  it('does not wait for deferred renditions', async () => {
    const { stop, end, queue } = await setUp('a');
    await end('image a');
    expect((await queue.depth()).deferred).toBe(1);
    await stop(60_000).stopped;
  });

  it('waits for a call that is out until the deadline, and says how many there are', async () => {
    const { stop, callOut, pass, running } = await setUp('a', 'b');
    const answers = [callOut(), callOut()];
    const { counts, isOver } = stop(60_000);
    await pass(59_999);
    await answers[0]?.();
    expect(await isOver()).toBe(false);
    expect(running()).toEqual(['image a', 'image b']);
    expect(counts).toEqual([2, 1]);
    await pass(1);
    expect(running()).toEqual([]);
    expect(await isOver()).toBe(true);
  });

  it('gives what was received a few seconds to be finished once no call is out, then leaves it', async () => {
    const { stop, callOut, pass, running } = await setUp('a');
    const answer = callOut();
    const { isOver } = stop(60_000);
    await pass(30_000);
    await pass(3_000);
    await answer();
    await pass(4999);
    expect([running(), await isOver()]).toEqual([['image a'], false]);
    await pass(1);
    expect([running(), await isOver()]).toEqual([[], true]);
  });

  it('waits for a call that began as the stop did', async () => {
    const { stop, callOut, pass, running } = await setUp('a');
    const { isOver } = stop(60_000);
    const answer = callOut();
    await pass(0);
    await pass(5000);
    expect([running(), await isOver()]).toEqual([['image a'], false]);
    await answer();
    await pass(5000);
    expect([running(), await isOver()]).toEqual([[], true]);
  });

  it('does not wait beyond the deadline for a call that heeds no signal', async () => {
    const runningCalls = createRunningCalls();
    const clock = createManualClock();
    const runImage = () => new Promise<never>(() => {});
    const jobs = { runImage, runDeferred: runImage, hasPending };
    const options = { createQueue: createLocalQueue, concurrency: 1, ...jobs, runningCalls, clock };
    const queue = createImageQueue(options);
    await queue.enqueue('a');
    await settled();
    using _call = runningCalls.begin('a');
    const deadline = new AbortController();
    const stopped = queue.stop(deadline.signal, { finishMs: 5000 });
    await settled();
    deadline.abort();
    await settled();
    clock.move(5000);
    await stopped;
    expect(await queue.depth()).toMatchObject({ running: 1 });
  });

  it('sends a deferred job only where renditions are pending, or the record cannot be read', async () => {
    const jobs = controlledJobs();
    const parts = { ...jobs, runningCalls: createRunningCalls(), clock: createManualClock() };
    const read = async (mediaId: string) =>
      mediaId === 'unread' ? Promise.reject(new Error('no')) : hasPending(mediaId);
    const queue = createImageQueue({ createQueue: createLocalQueue, concurrency: 3, ...parts, hasPending: read });
    for (const mediaId of ['whole', 'pending', 'unread']) await queue.enqueue(mediaId);
    await settled();
    for (const mediaId of ['whole', 'pending', 'unread']) await jobs.end(`image ${mediaId}`);
    await jobs.end('deferred pending');
    expect(jobs.started.slice(3)).toEqual(['deferred pending', 'deferred unread']);
    await jobs.end('deferred unread');
    expect(jobs.running()).toEqual([]);
  });

  it('knows the place of an image in the first queue alone', async () => {
    const createQueue = ({ concurrency }: { readonly concurrency: number }): JobQueue => ({
      enqueue: async () => {},
      position: async () => concurrency,
      depth: async () => ({ waiting: 0, running: 0 }),
      cancel: async () => {},
      start: async () => {},
      stop: async () => {},
    });
    const { runImage, runDeferred } = controlledJobs();
    const shared = {
      runImage,
      runDeferred,
      hasPending,
      runningCalls: createRunningCalls(),
      clock: createManualClock(),
    };
    const queue = createImageQueue({ createQueue, concurrency: 4, ...shared });
    expect(await queue.position('a')).toBe(4);
  });

  it('cancels in both queues, first that of the images', async () => {
    const calls: string[] = [];
    const createQueue = ({ concurrency }: { readonly concurrency: number }): JobQueue => ({
      enqueue: async () => {},
      position: async () => null,
      depth: async () => ({ waiting: 0, running: 0 }),
      cancel: async () => void calls.push(`cancel ${concurrency}`),
      start: async () => {},
      stop: async () => {},
    });
    const { runImage, runDeferred } = controlledJobs();
    const options = {
      concurrency: 4,
      runImage,
      runDeferred,
      hasPending,
      runningCalls: createRunningCalls(),
      clock: createManualClock(),
    };
    const queue = createImageQueue({ createQueue, ...options });
    await queue.cancel('a');
    expect(calls).toEqual(['cancel 4', 'cancel 1']);
  });
});

it('hands each job the claim under which it runs', async () => {
  const claims: unknown[] = [];
  const note =
    (kind: string): RunJob =>
    async (mediaId, _signals, claim) =>
      void claims.push([kind, mediaId, claim]);
  const runs: RunJob[] = [];
  const { signal } = new AbortController();
  const signals = { cancelled: signal, discarded: signal, draining: signal, stopping: signal };
  createImageQueue({
    createQueue(options) {
      runs.push(options.run);
      return createLocalQueue({ concurrency: 1, run: async () => {} });
    },
    concurrency: 1,
    runImage: note('image'),
    runDeferred: note('deferred'),
    hasPending,
    runningCalls: createRunningCalls(),
    clock: createManualClock(),
  });
  for (const [index, run] of runs.entries()) await run('x', signals, 7 + index);
  expect(claims).toEqual([
    ['deferred', 'x', 7],
    ['image', 'x', 8],
  ]);
});
