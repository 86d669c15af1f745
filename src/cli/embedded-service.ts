import { createCommandLogger } from '../composition/logging.ts';
import { createServices, type Services } from '../composition/services.ts';
import { readCommandConfig } from '../config/config.ts';
import type { Image } from '../core/domain/image.ts';

/** By convention, a process that a signal ended exits with 128 and its number. */
const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs `work` on a service in this process, without HTTP, and stops the service. Returns the exit code that `work` gives, or that of a
 * signal. Either way a paid call that is out is waited for, as by a service that stops; a second signal ends the process at once.
 */
export async function withServices(work: (services: Services) => Promise<number>): Promise<number> {
  const config = readCommandConfig(process.env);
  const services = await createServices(config, await createCommandLogger(config.secrets.mask));
  const interrupted = Promise.withResolvers<number>();
  for (const [signal, code] of Object.entries(SIGNAL_CODES)) process.once(signal, () => interrupted.resolve(code));
  try {
    return await Promise.race([work(services), interrupted.promise]);
  } finally {
    await services.stop({ graceMs: config.shutdownGraceMs, onRunningCalls: reportCalls });
  }
}

function reportCalls(count: number): void {
  if (count === 0) return;
  const calls = count === 1 ? 'a paid call' : `${count} paid calls`;
  console.error(`waiting for ${calls} to end, so that the picture is not lost; a second signal ends at once`);
}

/** The longest delay of a timer, in milliseconds (about 25 days). */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** Waits until the image is finished; null when it was deleted meanwhile. */
export async function waitForImage({ images }: Services, mediaId: string): Promise<Image | null> {
  return await images.waitUntilFinished(mediaId, LONGEST_WAIT_MS, new AbortController().signal);
}
