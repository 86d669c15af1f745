import PQueue from 'p-queue';
import type { JobQueue, RunJob } from '../../core/ports/job-queue.ts';
import { createWaitingLine } from './waiting-line.ts';

/**
 * In-process job queue: first in, first out, at most `concurrency` jobs at a time. It is not durable and need not be: the record of every
 * job is, and the next start enqueues those that are unfinished or have renditions pending.
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
  /** The entries that do not run yet, in the order in which they will start. Those that were cancelled do not count. */
  const line = createWaitingLine();
  const draining = new AbortController();
  const stopping = new AbortController();

  function add(mediaId: string): void {
    if (draining.signal.aborted) return;
    const existing = entries.get(mediaId);
    if (existing) {
      existing.runAgain = existing.running !== null;
      line.setCounted(mediaId, true);
      return;
    }
    const entry: Entry = {
      cancelled: new AbortController(),
      discarded: new AbortController(),
      running: null,
      runAgain: false,
    };
    entries.set(mediaId, entry);
    line.add(mediaId);
    // Does not use p-queue's own signal, which would free the slot while the job still runs.
    void queue.add(async () => {
      line.remove(mediaId);
      entry.running = run(mediaId, {
        cancelled: entry.cancelled.signal,
        discarded: entry.discarded.signal,
        draining: draining.signal,
        stopping: stopping.signal,
      });
      await entry.running;
      entries.delete(mediaId);
      if (entry.runAgain) add(mediaId);
    });
  }

  return {
    async enqueue(mediaId) {
      add(mediaId);
    },
    async cancel(mediaId, { discard = false } = {}) {
      const entry = entries.get(mediaId);
      // A waiting job stays in the queue: it may belong to a newer request. If not, it finds its image cancelled or gone, and ends.
      if (entry && !entry.running) line.setCounted(mediaId, false);
      if (!entry?.running) return;
      entry.cancelled.abort();
      if (discard) entry.discarded.abort();
      await entry.running;
    },
    async position(mediaId) {
      const entry = entries.get(mediaId);
      if (!entry) return null;
      if (entry.running && !entry.runAgain) return 1;
      // One that runs again starts after all that wait.
      return (line.ahead(mediaId) ?? line.counted()) + 1;
    },
    start: async () => undefined,
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

interface Entry {
  readonly cancelled: AbortController;
  readonly discarded: AbortController;
  /** Set while the job runs. */
  running: Promise<void> | null;
  /** Enqueued again while it ran: runs once more afterwards. */
  runAgain: boolean;
}
