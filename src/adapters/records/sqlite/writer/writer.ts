import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { preloads } from '../../../threads/preloads.ts';
import { errorOf, type FromThread, type Outcome, type ThreadData, type ToThread, type Write } from './write.ts';

/** Does writes on a thread of its own. */
export interface Writer {
  /**
   * Resolves once what the write stores is durable, or it was stopped; rejects with SQLite's error where it failed, and with
   * `WriterEndedError` where it is not known whether it did.
   */
  write(write: Write): Promise<Outcome>;
  /** Resolves when every write has ended and the thread has closed its connection. Writes that come later are refused. */
  close(): Promise<void>;
}

/** Raised for a write whose thread ended before it answered or could not be started, and for one after `close`. */
export class WriterEndedError extends Error {
  override readonly name = 'WriterEndedError';
}

interface Pending {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** A thread that runs, and the writes that it has not answered. */
interface Running {
  readonly worker: Worker;
  readonly pending: Map<number, Pending>;
  fault: unknown;
}

type OpenWorker = (...given: ConstructorParameters<typeof Worker>) => Worker;

/** This file's ending: the program runs as TypeScript or compiled. */
const THREAD = new URL(`./thread${extname(import.meta.url)}`, import.meta.url);

/**
 * The writer of the database of `data`. Its thread is started by the first write, so that a process that only reads has none, and again
 * by the first one after it has died; what it had not committed then is rolled back. It keeps the process alive only while a write is
 * under way. `openWorker` is for tests to replace.
 */
export function createWriter(data: ThreadData, openWorker: OpenWorker = (...given) => new Worker(...given)): Writer {
  let count = 0;
  let isClosed = false;
  let running: Running | null = null;

  const startWorker = (): Worker => {
    const execArgv = preloads(process.execArgv);
    try {
      return openWorker(THREAD, { workerData: data, name: 'easel-records', execArgv });
    } catch (cause) {
      // The machine has no memory or no thread left, which may pass.
      throw new WriterEndedError('the thread that writes to it cannot be started', { cause });
    }
  };
  const start = (): Running => {
    const worker = startWorker();
    const thread: Running = { worker, pending: new Map(), fault: undefined };
    worker.unref();
    worker.on('message', (results: FromThread) => {
      for (const { id, result } of results) {
        const write = thread.pending.get(id);
        thread.pending.delete(id);
        if ('fault' in result) write?.reject(errorOf(result.fault));
        else write?.resolve(result);
      }
      if (thread.pending.size === 0 && !isClosed) worker.unref();
    });
    worker.on('error', (error) => {
      thread.fault = error;
    });
    worker.on('exit', () => {
      if (running === thread) running = null;
      const error = new WriterEndedError('the thread that writes to it ended', { cause: thread.fault });
      for (const { reject } of thread.pending.values()) reject(error);
    });
    running = thread;
    return thread;
  };
  const send = ({ worker }: Running, message: ToThread): void => worker.postMessage(message);

  return {
    async write(write) {
      if (isClosed) throw new WriterEndedError('it is closed');
      const thread = running ?? start();
      thread.worker.ref();
      count += 1;
      const id = count;
      return await new Promise<Outcome>((resolve, reject) => {
        send(thread, { id, write });
        thread.pending.set(id, { resolve, reject });
      });
    },

    async close() {
      isClosed = true;
      if (running === null) return;
      const { worker } = running;
      worker.ref();
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      send(running, 'close');
      await ended;
    },
  };
}
