import type { Logger } from 'pino';

/**
 * Runs `work` every `ms` milliseconds, skipping a turn while the last run goes on; failures are logged. Returns the function
 * that stops this and waits for the current run.
 */
export function runEvery(ms: number, logger: Logger, work: () => Promise<void>): () => Promise<void> {
  let inFlight: Promise<void> | null = null;
  const timer = setInterval(() => {
    inFlight ??= work()
      .catch((error: unknown) => logger.error({ err: error }, 'scheduled job failed; the next run tries again'))
      .finally(() => {
        inFlight = null;
      });
  }, ms);
  return async () => {
    clearInterval(timer);
    await inFlight;
  };
}
