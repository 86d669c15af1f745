import { setTimeout as delay } from 'node:timers/promises';
import type { createImagingThreads } from '../adapters/imaging/threads.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { OpenCalls } from './providers.ts';

/** Clock and random numbers, which tests replace with predictable ones, and what opens threads, which tests may share or do without. */
export interface World {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly openImaging?: typeof createImagingThreads;
  readonly openCalls?: OpenCalls;
  /** Whether other processes work over the same records and the same media store; by default where these are in PostgreSQL. */
  readonly isShared?: boolean;
}

export const REAL_WORLD: World = {
  clock: {
    now: () => Date.now(),
    monotonic: () => Math.floor(performance.now()),
    sleep: (ms, signal) => delay(ms, undefined, { signal }),
  },
  random: Math.random,
};
