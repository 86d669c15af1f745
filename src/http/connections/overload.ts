import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyInstance } from 'fastify';

/** When the process counts as overloaded. */
interface LoadLimits {
  /** Largest mean delay of the event loop over a sample, in milliseconds. */
  readonly maxEventLoopDelayMs: number;
  /** Length of a sample, in milliseconds. */
  readonly sampleMs: number;
}

const LIMITS: LoadLimits = { maxEventLoopDelayMs: 500, sampleMs: 1_000 };

/** Interval at which the delay is measured; the histogram holds it on top of the delay. */
const RESOLUTION_MS = 10;

/**
 * Measures the event loop's delay until `app` is closed, and returns a function that is true while the process is overloaded. It opens no
 * file: @fastify/under-pressure asks for the memory too, which ends the process where no descriptor is left.
 */
export function watchLoad(app: FastifyInstance, { maxEventLoopDelayMs, sampleMs }: LoadLimits = LIMITS): () => boolean {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  let delayMs = 0;
  const timer = setInterval(() => {
    // No measurement within a whole sample: the event loop was blocked all the time.
    delayMs = histogram.count === 0 ? Number.POSITIVE_INFINITY : histogram.mean / 1e6 - RESOLUTION_MS;
    histogram.reset();
  }, sampleMs).unref();
  app.addHook('onClose', async () => {
    clearInterval(timer);
    histogram.disable();
  });
  // The first samples measure the start of the process, which is always slow.
  const startsAt = performance.now() + 2 * sampleMs;
  return () => performance.now() >= startsAt && delayMs > maxEventLoopDelayMs;
}
