import type { Worker } from 'node:worker_threads';
import { until } from './until.ts';

export interface WatchedThreads extends Disposable {
  /** The threads that were started since and still run. */
  running(): readonly Worker[];
  /** Ends all of them as a fault would: at once, whatever they do. */
  kill(): Promise<void>;
}

/** Watches the threads that this process starts. */
export function watchThreads(): WatchedThreads {
  const workers = new Set<Worker>();
  const onWorker = (worker: Worker) => {
    workers.add(worker);
    worker.once('exit', () => workers.delete(worker));
  };
  process.on('worker', onWorker);
  return {
    running: () => [...workers],
    async kill() {
      await Promise.all([...workers].map((worker) => worker.terminate()));
      await until(() => workers.size === 0);
    },
    [Symbol.dispose]: () => void process.off('worker', onWorker),
  };
}
