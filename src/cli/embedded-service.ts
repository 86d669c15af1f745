import { createCommandLogger } from '../composition/logging.ts';
import { createServices, type Services } from '../composition/services.ts';
import { readCommandConfig } from '../config/config.ts';
import type { Image } from '../core/domain/image.ts';

/** Runs `work` on a service in this process, without HTTP, and stops the service. Returns the exit code that `work` gives. */
export async function withServices(work: (services: Services) => Promise<number>): Promise<number> {
  const services = await createServices(readCommandConfig(process.env), createCommandLogger());
  try {
    return await work(services);
  } finally {
    await services.stop({ graceMs: 0 });
  }
}

/** The longest delay of a timer, in milliseconds (about 25 days). */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** Waits until the image is finished; null when it was deleted meanwhile. */
export async function waitForImage({ images }: Services, mediaId: string): Promise<Image | null> {
  return await images.waitUntilFinished(mediaId, LONGEST_WAIT_MS, new AbortController().signal);
}
