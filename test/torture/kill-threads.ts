/**
 * Ends worker threads of the process at random moments, as a lack of memory or a fault of native code does. It is loaded ahead of the
 * service,
 *
 *     KILL_THREADS_MS=1000 KILL_THREADS_SEED=a node --import ./test/torture/kill-threads.ts src/main.ts
 *
 * and ends each thread within twice `KILL_THREADS_MS` milliseconds after it began to run, whatever it is doing: loading its modules,
 * working or waiting. Each death is a line of the standard error output.
 */

import { isMainThread, type Worker } from 'node:worker_threads';
import { randomOf } from '../support/random.ts';
import { THREAD_KILLED } from './steps.ts';

const { KILL_THREADS_MS = '1000', KILL_THREADS_SEED = '' } = process.env;

// Threads load this, too: only the first of them kills.
if (isMainThread) {
  const random = randomOf(KILL_THREADS_SEED);
  process.on('worker', (worker: Worker) => {
    worker.once('online', () => {
      const death = setTimeout(
        () => {
          process.stderr.write(`${THREAD_KILLED}\n`);
          void worker.terminate();
        },
        2 * random() * Number(KILL_THREADS_MS),
      ).unref();
      worker.once('exit', () => clearTimeout(death));
    });
  });
}
