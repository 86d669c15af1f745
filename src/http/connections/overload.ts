import underPressure from '@fastify/under-pressure';
import type { FastifyInstance } from 'fastify';

/** What counts as more than the process can do. */
export interface LoadLimits {
  /** Mean lateness of the event loop over a sample, in milliseconds. */
  readonly maxEventLoopDelayMs: number;
  readonly sampleMs: number;
}

const LIMITS: LoadLimits = { maxEventLoopDelayMs: 500, sampleMs: 1_000 };

/** Watches the event loop until `app` is closed. The function tells whether the process has more to do than it can. */
export async function watchLoad(
  app: FastifyInstance,
  { maxEventLoopDelayMs: maxLatenessMs, sampleMs }: LoadLimits = LIMITS,
): Promise<() => boolean> {
  await app.register(underPressure, {
    maxEventLoopDelay: maxLatenessMs,
    sampleInterval: sampleMs,
    // The plugin would refuse a request before its body is read, which alone tells whether it is about a picture that is known.
    pressureHandler: () => undefined,
  });
  // The first sample is of the start, which is over when it counts.
  const begin = performance.now() + 2 * sampleMs;
  return () => performance.now() >= begin && app.isUnderPressure();
}
