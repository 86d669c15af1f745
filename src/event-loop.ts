import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface LatenessOptions {
  /** Mean lateness over a sample, in milliseconds, from which the process has more to do than it can. */
  readonly maxLatenessMs: number;
  readonly sampleMs: number;
}

/** Tells by the lateness of the event loop whether the process keeps up. */
export interface LatenessMeter {
  start(): void;
  /** By the last sample; false before there is one. */
  isOverloaded(): boolean;
  stop(): void;
}

/** How often the loop is looked at, in milliseconds. https://nodejs.org/api/perf_hooks.html#perf_hooksmonitoreventloopdelayoptions */
const RESOLUTION_MS = 10;

export function createLatenessMeter(options: LatenessOptions): LatenessMeter {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let samples = 0;
  let latenessMs: number | null = null;
  let timer: NodeJS.Timeout | undefined;

  function sample(): void {
    const mean = histogram.mean / 1e6 - RESOLUTION_MS;
    histogram.reset();
    samples += 1;
    // The first one is of the start, which is over by now. Nothing seen at all: the loop did not turn once.
    if (samples > 1) latenessMs = Number.isNaN(mean) ? Infinity : Math.max(0, mean);
  }

  return {
    start() {
      histogram.enable();
      timer = setInterval(sample, options.sampleMs).unref();
    },
    isOverloaded: () => latenessMs !== null && latenessMs > options.maxLatenessMs,
    stop() {
      clearInterval(timer);
      histogram.disable();
    },
  };
}
