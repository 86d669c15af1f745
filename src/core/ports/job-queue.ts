/** Why a running job is to end before its work is done. */
export interface JobSignals {
  /** The process is to end: what is under way may end, but no further call begins. Always fires before `stopping`. */
  readonly draining: AbortSignal;
  /** Its caller no longer wants the picture. */
  readonly cancelled: AbortSignal;
  /** The process ends; what is not finished is left as it is for the next start. */
  readonly stopping: AbortSignal;
}

/** Runs one job to its end. Never rejects: how it ended is in the record. */
export type RunJob = (mediaId: string, signals: JobSignals) => Promise<void>;

/** How full a queue is. */
export interface QueueDepth {
  readonly waiting: number;
  readonly running: number;
}

export interface JobQueue {
  /**
   * Has the job run when its turn comes, once at a time: a job that waits already stays one job, one that runs is run once
   * more when it has ended. Call after the record is durable, and await it.
   *
   * Never rejects, so that the answer for a durable record cannot be lost. A queue that cannot take the job at the moment
   * logs that and goes on trying; should the process end first, the next start enqueues every unfinished record.
   */
  enqueue(mediaId: string): Promise<void>;
  /** Fires `cancelled` for the job if it runs; resolves when it runs no more. A job that waits goes on waiting. */
  cancel(mediaId: string): Promise<void>;
  /** Jobs that wait and jobs that run, as of some moment of the call. */
  depth(): Promise<QueueDepth>;
  /** Starts no further job, and fires `draining` for running ones. They may end until `deadline` fires, then `stopping` fires for them; resolves when none runs. */
  stop(deadline: AbortSignal): Promise<void>;
}
