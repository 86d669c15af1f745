/**
 * Runs jobs, each named by the mediaId of its image: an unfinished one, or a succeeded one with pending renditions. The queue need not
 * be durable, since the records are: each start enqueues all jobs that they show.
 */
export interface JobQueue {
  /**
   * Queues the job, which never runs twice at once: one that already waits stays one job, and one that runs is run once more when it
   * has ended. Call after the record is durable, and await it.
   *
   * Never rejects, so that the answer for a durable record cannot be lost. A queue that cannot take the job at the moment logs that
   * and retries; if the process ends first, the next start enqueues the job.
   */
  enqueue(mediaId: string): Promise<void>;
  /**
   * Fires `cancelled` for the job if it runs, and with `discard` also `discarded`; resolves when it no longer runs. A waiting job goes
   * on waiting.
   */
  cancel(mediaId: string, options?: { readonly discard?: boolean }): Promise<void>;
  /**
   * The place of the job in line: 1 for the next to start, and for one whose turn has come. Cancelled jobs that still wait do not count.
   * Null where the queue does not have it.
   */
  position(mediaId: string): Promise<number | null>;
  /** The numbers of waiting and of running jobs, at some moment during the call. */
  depth(): Promise<QueueDepth>;
  /**
   * Begins to take jobs, of other processes too where the queue is shared. A queue of this process alone runs what is enqueued from the
   * first. Never rejects: a queue that cannot begin at the moment logs that and retries.
   */
  start(): Promise<void>;
  /**
   * Starts no further job and fires `draining` for the running ones; when `deadline` is aborted, fires `stopping` for those that still
   * run. Resolves when none runs. Called once, by the composition that opened the queue.
   */
  stop(deadline: AbortSignal): Promise<void>;
}

/**
 * Runs one job to its end. Never rejects: the record shows how it ended. `claim` is the fencing token of this claim of the job: it grows
 * with each claim of one image, so that of two processes that both take the job for theirs the records know the rightful one. It is absent
 * where a job cannot be claimed twice.
 */
export type RunJob = (mediaId: string, signals: JobSignals, claim?: number) => Promise<void>;

/** Abort signals of a running job. */
export interface JobSignals {
  /** The process is about to stop: a running call may end, but no further one may begin. Always fires before `stopping`. */
  readonly draining: AbortSignal;
  /** The caller cancelled or deleted the image. A picture whose answer has begun to arrive is still kept. */
  readonly cancelled: AbortSignal;
  /** The image is deleted: nothing that still arrives for it is wanted. Fires right after `cancelled`. */
  readonly discarded: AbortSignal;
  /** The process stops now; unfinished work is left for the next start. */
  readonly stopping: AbortSignal;
}

export interface QueueDepth {
  readonly waiting: number;
  readonly running: number;
}
