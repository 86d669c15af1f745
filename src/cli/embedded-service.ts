import { pino } from 'pino';
import { createServices, type Services } from '../composition/services.ts';
import { readCommandConfig } from '../config/config.ts';

/** Whoever can run this command can read the files anyway. */
export const OPERATOR = { name: 'anonymous', admin: true };

export async function withServices(work: (services: Services) => Promise<number>): Promise<number> {
  const services = await createServices(
    readCommandConfig(process.env),
    pino({ level: 'warn', base: null }, pino.destination(2)),
  );
  try {
    return await work(services);
  } finally {
    await services.stop(AbortSignal.timeout(0));
  }
}
