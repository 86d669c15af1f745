import type { ResourceLimits, Transferable } from 'node:worker_threads';
import PQueue from 'p-queue';
import { Piscina } from 'piscina';
import { fromErrorData } from './error-data.ts';
import { preloads } from './preloads.ts';
import type { TaskReply } from './thread-work.ts';

/** The thread of a task died before the task ended: it exited, ran out of memory, raised outside of any task, or could not be started. */
export class ThreadDiedError extends Error {
  override readonly name = 'ThreadDiedError';
}

/** The pool was closed before the task ended. Named as errors of an `AbortSignal` are: nothing went wrong. */
export class PoolClosedError extends Error {
  override readonly name = 'AbortError';
}

export interface ThreadPoolOptions {
  /** The worker file, whose default export `threadWork` made: a URL with this file's own ending, as it may be compiled. */
  readonly worker: URL;
  readonly maxThreads: number;
  /** Tasks that one thread runs at the same time, taking turns at each `await`; default 1. Tasks go to idle threads and new ones first. */
  readonly concurrentTasksPerWorker?: number;
  /**
   * How a thread without a task waits for one. `sync` wakes soonest, but stops the thread's event loop, so that what a task left running
   * goes on only with the next task; `disabled` (the default) keeps it going.
   */
  readonly atomics?: 'sync' | 'async' | 'disabled';
  /** Cloned to each thread, as `workerData` of `node:worker_threads`. */
  readonly workerData?: unknown;
  /** Milliseconds after which a thread without a task ends; default 5,000. Its memory is then free. */
  readonly idleMs?: number;
  readonly resourceLimits?: ResourceLimits;
}

interface RunOptions {
  /** Buffers and ports inside the task that move to the thread instead of being copied; make Buffers whole first (`ownBuffer`). */
  readonly transfer?: readonly Transferable[];
}

/** Threads that run tasks of one kind. */
export interface ThreadPool<Task, Result> {
  /**
   * Runs the task on a thread, once one has room. Raises what the task raised, `ImageError` and `ProviderError` with all their fields;
   * `ThreadDiedError` where its thread died, and `PoolClosedError` where the pool was closed.
   */
  run(task: Task, options?: RunOptions): Promise<Result>;
  /**
   * Ends all threads, and rejects the tasks that run or wait at once, later ones too. Does not wait for a thread that is at work: what a
   * native library does cannot be broken off, and its thread ends after it.
   */
  close(): Promise<void>;
  /** Threads that are running now. */
  readonly threadCount: number;
}

const IDLE_MS = 5_000;

/**
 * Makes a pool of worker threads with piscina. No thread is started before the first task, and idle ones end. Tasks wait in a queue of
 * this pool, not in piscina's: there they would hang once the last thread had died.
 */
export function createThreadPool<Task, Result>(options: ThreadPoolOptions): ThreadPool<Task, Result> {
  const { maxThreads, concurrentTasksPerWorker = 1, atomics = 'disabled' } = options;
  const piscina: Piscina<Task, TaskReply<Result>> = new Piscina({
    filename: options.worker.href,
    minThreads: 0,
    maxThreads,
    concurrentTasksPerWorker,
    atomics,
    idleTimeout: options.idleMs ?? IDLE_MS,
    recordTiming: false,
    execArgv: preloads(process.execArgv),
    loadBalancer: (_task, workers) => {
      const [least] = workers.toSorted((one, other) => one.currentUsage - other.currentUsage);
      if (least === undefined) return null;
      const mayGrow = workers.length === piscina.threads.length && workers.length < maxThreads;
      return least.currentUsage === 0 || (least.currentUsage < concurrentTasksPerWorker && !mayGrow) ? least : null;
    },
    ...(options.workerData !== undefined && { workerData: options.workerData }),
    ...(options.resourceLimits && { resourceLimits: options.resourceLimits }),
  });
  const queue = new PQueue({ concurrency: maxThreads * concurrentTasksPerWorker });
  let isClosed = false;
  let lastDeath: unknown;

  // Raised by a thread without a task, such as one whose file cannot be loaded.
  piscina.on('error', (error: unknown) => {
    lastDeath = error;
  });
  // Piscina keeps a task that waits for a thread to start, also when that thread dies and no other is left to take it.
  piscina.on('workerDestroy', () => queueMicrotask(() => piscina.threads.length === 0 && rejectWaiting()));

  function rejectWaiting(): void {
    if (piscina.queueSize > 0) void piscina.destroy();
  }

  async function runOnThread(task: Task, transfer: readonly Transferable[]): Promise<Result> {
    if (isClosed) throw closedError();
    const reply = await piscina
      .run(task, { transferList: [...transfer] as never })
      .catch((error: unknown) => Promise.reject(explained(error)));
    lastDeath = undefined;
    if ('failure' in reply) throw fromErrorData(reply.failure);
    return reply.result;
  }

  /** Why piscina did not bring the reply. What a task raises is in its reply. */
  function explained(error: unknown): unknown {
    // The task, or its transfer list, cannot be sent: a defect of the caller.
    if (error instanceof DOMException || error instanceof TypeError) return error;
    if (isClosed) return closedError();
    return new ThreadDiedError('the thread of this task died', { cause: lastDeath ?? error });
  }

  return {
    run: (task, { transfer = [] } = {}) => queue.add(() => runOnThread(task, transfer)),
    async close() {
      isClosed = true;
      const isAtWork = queue.pending > 0;
      const ended = piscina.destroy();
      if (!isAtWork) await ended;
    },
    get threadCount() {
      return piscina.threads.length;
    },
  };
}

function closedError(): PoolClosedError {
  return new PoolClosedError('the pool of threads is closed');
}
