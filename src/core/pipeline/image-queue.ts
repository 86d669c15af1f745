import type { Clock } from '../ports/clock.ts';
import type { JobQueue, QueueDepth, RunJob } from '../ports/job-queue.ts';
import type { RunningCalls } from './running-calls.ts';

/** The queue of images: one queue runs them until their master is published, a second one makes their deferred renditions. */
export interface ImageQueue extends JobQueue {
  /** The place in the first queue. */
  position(mediaId: string): Promise<number | null>;
  /** The depth of the first queue; `deferred` is the number of images in the second, waiting or running. */
  depth(): Promise<QueueDepth & { readonly deferred: number }>;
  /**
   * As the port promises, but it waits only for what was paid for. What waits, and renditions that are deferred, are left to the next
   * start at once. A running call is waited for until `deadline`. From then on, or once none is running, the finishing of what was
   * received may take `finishMs` milliseconds; what runs after that is left behind, its signal `stopping` fired.
   */
  stop(deadline: AbortSignal, options?: StopOptions): Promise<void>;
}

export interface StopOptions {
  /** How long what was received may take to be finished, in milliseconds; a few seconds by default. */
  readonly finishMs?: number;
  /** Called with the number of running calls, at once and on every change. */
  readonly onRunningCalls?: (count: number) => void;
}

/** Which of the two queues is to be created, and what it does. */
interface QueueOptions {
  /** Names the queue where several processes share it. */
  readonly name: 'images' | 'deferred';
  readonly concurrency: number;
  readonly run: RunJob;
}

interface ImageQueueDeps {
  readonly createQueue: (options: QueueOptions) => JobQueue;
  /** Images that run at the same time. */
  readonly concurrency: number;
  readonly runImage: RunJob;
  readonly runDeferred: RunJob;
  /** Whether renditions of the image are pending. */
  readonly hasPending: (mediaId: string) => Promise<boolean>;
  /** The calls of the images that run. */
  readonly runningCalls: Pick<RunningCalls, 'count' | 'ended' | 'onChange'>;
  readonly clock: Pick<Clock, 'sleep'>;
}

/** How long finishing may take at a stop, in milliseconds: some pictures take seconds, and the next start can finish them too. */
const FINISH_MS = 5_000;

export function createImageQueue(deps: ImageQueueDeps): ImageQueue {
  const { createQueue, concurrency, runImage, runDeferred, hasPending, runningCalls, clock } = deps;
  // One at a time, beside the images: a slow rendition delays no picture, and on two cores takes a third of them at most.
  const deferred = createQueue({ name: 'deferred', concurrency: 1, run: runDeferred });
  const images = createQueue({
    name: 'images',
    concurrency,
    async run(mediaId, signals, claim) {
      await runImage(mediaId, signals, claim);
      // Also where the run failed or had nothing to do. Where the record cannot be read, the deferred job finds out.
      if (await hasPending(mediaId).catch(() => true)) await deferred.enqueue(mediaId);
    },
  });

  return {
    enqueue: (mediaId) => images.enqueue(mediaId),
    position: (mediaId) => images.position(mediaId),
    async depth() {
      const [depth, slow] = await Promise.all([images.depth(), deferred.depth()]);
      return { ...depth, deferred: slow.waiting + slow.running };
    },
    async start() {
      await Promise.all([images.start(), deferred.start()]);
    },
    // In this order: an image that still runs enqueues its deferred job when it ends.
    async cancel(mediaId, options) {
      await images.cancel(mediaId, options);
      await deferred.cancel(mediaId, options);
    },
    async stop(deadline, { finishMs = FINISH_MS, onRunningCalls = () => {} } = {}) {
      const leave = new AbortController();
      const over = new AbortController();
      const ended = images.stop(AbortSignal.any([deadline, leave.signal])).then(() => over.abort());
      // Not awaited: the encoding of a rendition cannot be broken off, and may take minutes.
      void deferred.stop(AbortSignal.abort());
      const overdue = aborted(deadline);
      onRunningCalls(runningCalls.count());
      const unsubscribe = runningCalls.onChange(onRunningCalls);
      do {
        await Promise.race([ended, overdue, runningCalls.ended()]);
        await clock.sleep(finishMs, over.signal).catch(() => undefined);
        // A job that had its slot when `draining` fired may have begun its call after all.
      } while (!over.signal.aborted && !deadline.aborted && runningCalls.count() > 0);
      unsubscribe();
      leave.abort();
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
