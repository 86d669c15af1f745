import type { JobQueue, QueueDepth, RunJob } from '../ports/job-queue.ts';

/** The queue of images: one queue runs them until their master is published, a second one makes their deferred renditions. */
export interface ImageQueue extends JobQueue {
  /** The depth of the first queue; `deferred` is the number of images in the second, waiting or running. */
  depth(): Promise<QueueDepth & { readonly deferred: number }>;
}

interface ImageQueueDeps {
  readonly createQueue: (options: { readonly concurrency: number; readonly run: RunJob }) => JobQueue;
  /** Images that run at the same time. */
  readonly concurrency: number;
  readonly runImage: RunJob;
  readonly runDeferred: RunJob;
}

export function createImageQueue({ createQueue, concurrency, runImage, runDeferred }: ImageQueueDeps): ImageQueue {
  // One at a time, beside the images: a slow rendition delays no picture, and on two cores takes a third of them at most.
  const deferred = createQueue({ concurrency: 1, run: runDeferred });
  const images = createQueue({
    concurrency,
    async run(mediaId, signals) {
      await runImage(mediaId, signals);
      // Also where the run failed or had nothing to do: the deferred job finds out whether renditions are pending.
      await deferred.enqueue(mediaId);
    },
  });

  return {
    enqueue: (mediaId) => images.enqueue(mediaId),
    async depth() {
      const [depth, slow] = await Promise.all([images.depth(), deferred.depth()]);
      return { ...depth, deferred: slow.waiting + slow.running };
    },
    // In this order in both methods: an image that still runs enqueues its deferred job when it ends.
    async cancel(mediaId, options) {
      await images.cancel(mediaId, options);
      await deferred.cancel(mediaId, options);
    },
    async stop(deadline) {
      await images.stop(deadline);
      await deferred.stop(deadline);
    },
  };
}
