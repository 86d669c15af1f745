import { createCommandLogger } from '../composition/logging.ts';
import { createServices, type Services } from '../composition/services.ts';
import { readCommandConfig } from '../config/config.ts';

/** Whoever can run this command can read the files anyway. */
export const OPERATOR = { name: 'anonymous', admin: true };

export async function withServices(work: (services: Services) => Promise<number>): Promise<number> {
  const services = await createServices(readCommandConfig(process.env), createCommandLogger());
  try {
    return await work(services);
  } finally {
    await services.stop(AbortSignal.timeout(0));
  }
}
