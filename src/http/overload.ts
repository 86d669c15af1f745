import underPressure from '@fastify/under-pressure';
import type { FastifyInstance } from 'fastify';
import { ImageError } from '../images/errors.ts';

/** Mean lateness of the event loop over a sample, in milliseconds, from which the process has more to do than it can. */
const MAX_LATENESS_MS = 500;
const SAMPLE_MS = 1_000;

/** What can wait a moment: less would only bring the same callers back at once. */
const RETRY_AFTER_SECONDS = 5;

/** Refuses new pictures while the process cannot keep up, so that what is made goes on being made, served and watched. */
export async function shedGeneration(app: FastifyInstance): Promise<void> {
  await app.register(underPressure, {
    maxEventLoopDelay: MAX_LATENESS_MS,
    sampleInterval: SAMPLE_MS,
    pressureHandler: async ({ method, routeOptions }) => {
      if (method !== 'POST' || routeOptions.url !== '/images') return;
      throw new ImageError('queue_full', 'the service has more to do than it can; nothing was accepted or paid', {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    },
  });
}
