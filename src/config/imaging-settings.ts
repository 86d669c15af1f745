/** How many pictures are decoded and encoded at the same time, and the threads that follow from it. */

import { availableParallelism } from 'node:os';
import { count, type SettingsOf } from './setting-types.ts';

export const imagingSettings = {
  IMAGING_CONCURRENCY: count(1, 256)
    .optional()
    .describe(
      'Pictures decoded and encoded at the same time; threads and memory follow. Default: the processors that the process may use.',
    ),
} as const;

export interface ImagingConfig {
  readonly imaging: {
    /** Most pictures in hand at the same time. */
    readonly pictures: number;
    /** Worker threads. */
    readonly threads: number;
    /** Most pictures, and operations of sharp, of one of them at the same time. */
    readonly picturesPerThread: number;
  };
}

/**
 * Pictures that share a worker thread: it has less than a quarter of the work of each, and libuv's threads the rest. A single picture
 * still uses as many processors, since one has seldom more than this many files to encode.
 */
const PICTURES_PER_THREAD = 4;

/** Slow renditions that are made beside the pictures: the queue of `core/pipeline/image-queue.ts` does one at a time. */
const DEFERRED = 1;
/** libuv threads beyond those that may encode, so that a durable write never waits for an encode. */
const FILE_THREADS = 8;

/** Groups the settings of imaging. By default it follows the processors of this machine, or those that its cgroup allows. */
export function imagingConfig({ IMAGING_CONCURRENCY }: SettingsOf<typeof imagingSettings>): ImagingConfig {
  const pictures = IMAGING_CONCURRENCY ?? availableParallelism();
  const threads = Math.ceil(pictures / PICTURES_PER_THREAD);
  return { imaging: { pictures, threads, picturesPerThread: Math.ceil(pictures / threads) } };
}

/** How many threads libuv needs: one for every operation of sharp that may run, and some for files. */
export function libuvThreads({ imaging }: ImagingConfig): number {
  return imaging.threads * imaging.picturesPerThread + DEFERRED + FILE_THREADS;
}
