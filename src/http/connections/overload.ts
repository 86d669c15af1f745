import underPressure from '@fastify/under-pressure';
import type { FastifyInstance } from 'fastify';

/** When the process counts as overloaded. */
interface LoadLimits {
  /** Largest mean delay of the event loop over a sample, in milliseconds. */
  readonly maxEventLoopDelayMs: number;
  /** Length of a sample, in milliseconds. */
  readonly sampleMs: number;
}

const LIMITS: LoadLimits = { maxEventLoopDelayMs: 500, sampleMs: 1_000 };

/** Measures the event loop's delay until `app` is closed. Resolves to a function that is true while the process is overloaded. */
export async function watchLoad(
  app: FastifyInstance,
  { maxEventLoopDelayMs, sampleMs }: LoadLimits = LIMITS,
): Promise<() => boolean> {
  await app.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    sampleInterval: sampleMs,
    // The plugin's own handler would refuse a request before its body is read; only the body shows whether the image exists already.
    pressureHandler: () => undefined,
  });
  // The first samples measure the start of the process, which is always slow.
  const startsAt = performance.now() + 2 * sampleMs;
  return () => performance.now() >= startsAt && app.isUnderPressure();
}
