import type { Logger } from 'pino';

/** Does `work` every `ms` milliseconds, never twice at once. Gives the function that ends this and waits for a run under way. */
export function runEvery(ms: number, logger: Logger, work: () => Promise<void>): () => Promise<void> {
  let inFlight: Promise<void> | null = null;
  const timer = setInterval(() => {
    inFlight ??= work()
      .catch((error: unknown) => logger.error({ err: error }, 'scheduled work failed; the next run tries again'))
      .finally(() => {
        inFlight = null;
      });
  }, ms);
  return async () => {
    clearInterval(timer);
    await inFlight;
  };
}
