/**
 * Ends worker threads of the process at random moments, as a lack of memory or a fault of native code does. It is loaded ahead of the
 * service,
 *
 *     KILL_THREADS_MS=300 KILL_THREADS_SEED=a node --import ./test/torture/kill-threads.ts src/main.ts
 *
 * and ends one of the running threads about every `KILL_THREADS_MS` milliseconds, whatever that thread is doing.
 */

import { isMainThread, type Worker } from 'node:worker_threads';
import { randomOf } from '../support/random.ts';

const { KILL_THREADS_MS = '300', KILL_THREADS_SEED = '' } = process.env;

// Threads load this, too: only the first of them kills.
if (isMainThread) {
  const random = randomOf(KILL_THREADS_SEED);
  const running = new Set<Worker>();
  process.on('worker', (worker: Worker) => {
    running.add(worker);
    worker.once('exit', () => running.delete(worker));
  });

  const killOne = () => {
    const victim = [...running][Math.floor(random() * running.size)];
    void victim?.terminate();
    setTimeout(killOne, 2 * random() * Number(KILL_THREADS_MS)).unref();
  };
  killOne();
}
