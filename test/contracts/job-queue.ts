import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobQueue, JobSignals, RunJob } from '../../src/core/ports/job-queue.ts';
import { until } from '../support/until.ts';

interface JobQueueOptions {
  readonly concurrency: number;
  readonly run: RunJob;
}

interface JobQueueFixture {
  open(options: JobQueueOptions): Promise<JobQueue>;
  /** Resolves when the queue has had time to start the jobs that it may start. */
  settled(): Promise<void>;
  /** Deletes everything that the fixture created. */
  dispose(): Promise<void>;
}

/** What every job queue promises; each adapter runs it with a fixture that starts empty. */
export function describeJobQueue(name: string, createFixture: () => Promise<JobQueueFixture>): void {
  describe(`${name} keeps the contract of a job queue`, () => {
    let fixture: JobQueueFixture;
    let jobs: ControlledJobs;

    beforeEach(async () => {
      fixture = await createFixture();
      jobs = controlledJobs();
    });

    afterEach(() => fixture.dispose());

    const open = (concurrency: number) => fixture.open({ concurrency, run: jobs.run });
    const enqueued = async (queue: JobQueue, ...mediaIds: readonly string[]) => {
      for (const mediaId of mediaIds) await queue.enqueue(mediaId);
      await fixture.settled();
    };

    it('runs every job within its concurrency limit, and reports how many run and wait', async () => {
      const queue = await open(2);
      expect(await queue.depth()).toEqual({ waiting: 0, running: 0 });
      await enqueued(queue, 'a', 'b', 'c', 'd');
      expect(jobs.running.size).toBe(2);
      expect(await queue.depth()).toEqual({ waiting: 2, running: 2 });
      for (let ended = 0; ended < 4; ended += 1) {
        await until(() => jobs.running.size > 0);
        expect(jobs.running.size).toBeLessThanOrEqual(2);
        jobs.endOne();
        await fixture.settled();
      }
      expect(jobs.started.toSorted()).toEqual(['a', 'b', 'c', 'd']);
      expect(await queue.depth()).toEqual({ waiting: 0, running: 0 });
    });

    it('gives each waiting job its place in line, 1 for the next, and a running one 1 too', async () => {
      const queue = await open(1);
      const places = (...mediaIds: readonly string[]) =>
        Promise.all(mediaIds.map((mediaId) => queue.position(mediaId)));
      await enqueued(queue, 'a', 'b', 'c', 'd', 'c');
      expect(await places('a', 'b', 'c', 'd', 'unknown')).toEqual([1, 1, 2, 3, null]);
      await queue.cancel('b');
      expect(await places('c', 'd')).toEqual([1, 2]);
      await enqueued(queue, 'b');
      expect(await places('b', 'c', 'd')).toEqual([1, 2, 3]);
      jobs.end('a');
      await until(() => jobs.running.has('b'));
      expect(await places('a', 'b', 'c', 'd')).toEqual([null, 1, 1, 2]);
      for (const mediaId of ['b', 'c', 'd']) {
        await until(() => jobs.running.has(mediaId));
        jobs.end(mediaId);
      }
      await fixture.settled();
      expect(await places('b', 'c', 'd')).toEqual([null, null, null]);
    });

    it('puts a job that was enqueued while it runs behind those that wait', async () => {
      const queue = await open(1);
      await enqueued(queue, 'a');
      await enqueued(queue, 'b', 'a');
      expect(await queue.position('a')).toBe(2);
      jobs.end('a');
      await until(() => jobs.running.has('b'));
      expect(await queue.position('a')).toBe(1);
      jobs.end('b');
      await until(() => jobs.running.has('a'));
      jobs.end('a');
    });

    it('does not enqueue a second time a job that is already waiting', async () => {
      const queue = await open(1);
      await enqueued(queue, 'a', 'b', 'b', 'b');
      expect(await queue.depth()).toEqual({ waiting: 1, running: 1 });
      jobs.end('a');
      await until(() => jobs.running.has('b'));
      jobs.end('b');
      await fixture.settled();
      expect(jobs.started).toEqual(['a', 'b']);
    });

    it('never runs a job twice at once: enqueued while it runs, it runs once more after', async () => {
      const queue = await open(4);
      await enqueued(queue, 'a');
      await enqueued(queue, 'a', 'a');
      expect(jobs.started).toEqual(['a']);
      jobs.end('a');
      await until(() => jobs.started.length === 2);
      jobs.end('a');
      await fixture.settled();
      expect(jobs.started).toEqual(['a', 'a']);
      expect(await queue.depth()).toEqual({ waiting: 0, running: 0 });
    });

    it('cancels the named running job only, and resolves when it has ended', async () => {
      const queue = await open(4);
      await enqueued(queue, 'a', 'b');
      let over = false;
      const cancelled = queue.cancel('a').then(() => {
        over = true;
      });
      await until(() => jobs.signalsOf('a').cancelled.aborted);
      await fixture.settled();
      expect(over).toBe(false);
      expect(jobs.signalsOf('a').draining.aborted).toBe(false);
      expect(jobs.signalsOf('a').discarded.aborted).toBe(false);
      expect(jobs.signalsOf('b').cancelled.aborted).toBe(false);
      jobs.end('a');
      await cancelled;
    });

    it('fires `discarded` too where the job is cancelled as one whose results nobody wants', async () => {
      const queue = await open(1);
      await enqueued(queue, 'a');
      const cancelled = queue.cancel('a', { discard: true });
      await until(() => jobs.signalsOf('a').discarded.aborted);
      expect(jobs.signalsOf('a').cancelled.aborted).toBe(true);
      jobs.end('a');
      await cancelled;
    });

    it('cancels nothing where the job is unknown, waits or has ended', async () => {
      const queue = await open(1);
      await queue.cancel('unknown');
      await enqueued(queue, 'a', 'b');
      await queue.cancel('b');
      jobs.end('a');
      await until(() => jobs.running.has('b'));
      await queue.cancel('a');
      expect(jobs.signalsOf('b').cancelled.aborted).toBe(false);
    });

    it('runs a job with a fresh signal when it is enqueued again after a cancel', async () => {
      const queue = await open(1);
      await enqueued(queue, 'a', 'b');
      await queue.cancel('b');
      await enqueued(queue, 'b');
      const cancelled = queue.cancel('a');
      await enqueued(queue, 'a');
      jobs.end('a');
      await cancelled;
      for (const mediaId of ['b', 'a']) {
        await until(() => jobs.running.has(mediaId));
        expect(jobs.signalsOf(mediaId).cancelled.aborted).toBe(false);
        jobs.end(mediaId);
      }
    });

    it('starts no job once it stops, fires draining at once and stopping at the deadline, and waits for running jobs', async () => {
      const queue = await open(1);
      await enqueued(queue, 'a', 'b');
      const signals = jobs.signalsOf('a');
      expect(signals.draining.aborted).toBe(false);
      const deadline = new AbortController();
      let over = false;
      const stopped = queue.stop(deadline.signal).then(() => {
        over = true;
      });
      await until(() => signals.draining.aborted);
      await fixture.settled();
      expect([signals.stopping.aborted, signals.cancelled.aborted, over]).toEqual([false, false, false]);
      deadline.abort();
      await until(() => signals.stopping.aborted);
      await fixture.settled();
      expect(over).toBe(false);
      jobs.end('a');
      await stopped;
      await enqueued(queue, 'c');
      expect(jobs.started).toEqual(['a']);
    });

    it('stops at once where nothing runs', async () => {
      const queue = await open(1);
      await queue.stop(new AbortController().signal);
    });

    it('fires stopping at once where the deadline has passed', async () => {
      const queue = await open(1);
      await enqueued(queue, 'a');
      const stopped = queue.stop(AbortSignal.abort());
      await until(() => jobs.signalsOf('a').stopping.aborted);
      jobs.end('a');
      await stopped;
    });
  });
}

interface ControlledJobs {
  /** The running jobs, with their signals. */
  readonly running: ReadonlyMap<string, JobSignals>;
  /** Every start, in order. */
  readonly started: readonly string[];
  readonly run: RunJob;
  /** Raises where the job does not run. */
  signalsOf(mediaId: string): JobSignals;
  end(mediaId: string): void;
  /** Ends the job that has run longest. */
  endOne(): void;
}

/** Jobs that run until the test ends them. */
export function controlledJobs(): ControlledJobs {
  const running = new Map<string, JobSignals>();
  const ends = new Map<string, () => void>();
  const started: string[] = [];
  const signalsOf = (mediaId: string): JobSignals => {
    const signals = running.get(mediaId);
    if (signals === undefined) throw new Error(`${mediaId} does not run`);
    return signals;
  };
  const end = (mediaId: string): void => {
    signalsOf(mediaId);
    running.delete(mediaId);
    ends.get(mediaId)?.();
  };
  return {
    running,
    started,
    signalsOf,
    end,
    endOne() {
      const [first] = running.keys();
      if (first !== undefined) end(first);
    },
    run(mediaId, signals) {
      if (running.has(mediaId)) throw new Error(`${mediaId} runs already`);
      started.push(mediaId);
      running.set(mediaId, signals);
      return new Promise((resolve) => ends.set(mediaId, resolve));
    },
  };
}
