import PQueue from 'p-queue';
import type { JobQueue, RunJob } from '../../core/ports/job-queue.ts';

interface Entry {
  cancelled: AbortController;
  /** Set while the job runs. */
  running: Promise<void> | null;
  /** It was enqueued again while it ran: it has to run once more. */
  runAgain: boolean;
}

/**
 * Runs jobs inside this process, at most `concurrency` at a time, in the order they came. It holds no job that is not also an
 * unfinished record, so nothing is lost with it: the next start enqueues what it finds unfinished.
 */
export function createLocalQueue({
  concurrency,
  run,
}: {
  readonly concurrency: number;
  readonly run: RunJob;
}): JobQueue {
  const queue = new PQueue({ concurrency });
  const entries = new Map<string, Entry>();
  const draining = new AbortController();
  const stopping = new AbortController();

  function take(mediaId: string): void {
    const existing = entries.get(mediaId);
    if (existing) {
      existing.runAgain = existing.running !== null;
      // It waits still: that an earlier image of this name was cancelled says nothing of this one.
      if (!existing.runAgain) existing.cancelled = new AbortController();
      return;
    }
    const entry: Entry = { cancelled: new AbortController(), running: null, runAgain: false };
    entries.set(mediaId, entry);
    // p-queue's own signal would free the slot while the job still runs, so it is not used.
    void queue.add(async () => {
      entry.running = run(mediaId, {
        cancelled: entry.cancelled.signal,
        draining: draining.signal,
        stopping: stopping.signal,
      });
      await entry.running;
      entries.delete(mediaId);
      if (entry.runAgain) take(mediaId);
    });
  }

  return {
    async enqueue(mediaId) {
      take(mediaId);
    },
    async cancel(mediaId) {
      const entry = entries.get(mediaId);
      // One that waits may be for a later request by the time its turn comes; if not, it will find nothing to do.
      if (!entry?.running) return;
      entry.cancelled.abort();
      await entry.running;
    },
    depth: async () => ({ waiting: queue.size, running: queue.pending }),
    async stop(deadline) {
      queue.pause();
      queue.clear();
      draining.abort();
      const abort = () => stopping.abort();
      deadline.addEventListener('abort', abort, { once: true });
      if (deadline.aborted) abort();
      await queue.onPendingZero();
      deadline.removeEventListener('abort', abort);
    },
  };
}
