/** Counts the steps that this process passes, over all its threads, and ends it at the one that `DIE_AT`, `DIE_ON` and `DIE_FOR` name. */

import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import type { Step } from './steps.ts';

const { DIE_AT, DIE_ON = '1', DIE_FOR } = process.env;
let deadly = DIE_AT;

/** How often the step may still be passed; shared memory, since a thread that is started again has to go on counting. */
const COUNTER = 'easel-steps-left';
if (isMainThread) {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  shared[0] = Number(DIE_ON);
  setEnvironmentData(COUNTER, shared);
}
const left = getEnvironmentData(COUNTER) as Int32Array;

/** Call at each step, with the image that takes it; null where that is not known. */
export function reached(step: Step, mediaId: string | null): void {
  if (step !== deadly || (DIE_FOR !== undefined && mediaId !== null && mediaId !== DIE_FOR)) return;
  if (Atomics.sub(left, 0, 1) === 1) process.kill(process.pid, 'SIGKILL');
}

/** Ends the process at this occurrence of the step from now on, counted in this thread. */
export function arm({ step, on }: { readonly step: Step; readonly on: number }): void {
  Atomics.store(left, 0, on);
  deadly = step;
}
