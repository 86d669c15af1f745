/** How many pictures are in hand at the same time: threads for those that are made, and memory for those that requests bring. */

import { availableParallelism, totalmem } from 'node:os';
import { bytes, count, type SettingsOf } from './setting-types.ts';

export const imagingSettings = {
  IMAGING_CONCURRENCY: count(1, 256)
    .optional()
    .describe(
      'Pictures decoded and encoded at the same time; threads and memory follow. Default: the processors that the process may use.',
    ),
  INPUT_MEMORY_BYTES: bytes(1024 * 1024, 40)
    .optional()
    .describe(
      'Memory for the pictures that requests bring, in bytes: for uploads, for those that are fetched or read before a request is ' +
        'accepted, and for those that calls send, as much each. One request has at most as much. Default: an eighth of the memory ' +
        'that the process may use, from 128 MiB to 1 GiB.',
    ),
} as const;

export interface ImagingConfig {
  /** `memoryBytes`: most bytes of pictures that requests bring, in each place where they are in memory. */
  readonly inputs: { readonly memoryBytes: number };
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

const MIB = 1024 * 1024;

/** By default a part of this machine's memory, or of what its cgroup allows. */
export function inputMemoryBytes({
  INPUT_MEMORY_BYTES,
}: Pick<SettingsOf<typeof imagingSettings>, 'INPUT_MEMORY_BYTES'>): number {
  // A cgroup without a limit is said to allow more than there is.
  const memory = Math.min(totalmem(), process.constrainedMemory() || totalmem());
  return INPUT_MEMORY_BYTES ?? Math.min(Math.max(Math.floor(memory / 8), 128 * MIB), 1024 * MIB);
}

/** Groups the settings of imaging. By default it follows the processors of this machine, or those that its cgroup allows. */
export function imagingConfig(settings: SettingsOf<typeof imagingSettings>): ImagingConfig {
  const { IMAGING_CONCURRENCY } = settings;
  const pictures = IMAGING_CONCURRENCY ?? availableParallelism();
  const threads = Math.ceil(pictures / PICTURES_PER_THREAD);
  return {
    imaging: { pictures, threads, picturesPerThread: Math.ceil(pictures / threads) },
    inputs: { memoryBytes: inputMemoryBytes(settings) },
  };
}

/** How many threads libuv needs: one for every operation of sharp that may run, and some for files. */
export function libuvThreads({ imaging }: ImagingConfig): number {
  return imaging.threads * imaging.picturesPerThread + DEFERRED + FILE_THREADS;
}
