import type { Logger } from 'pino';
import { createEasel } from '../client/client.ts';
import type { Easel, EaselOptions } from '../client/easel.ts';
import type { Config } from '../config/config.ts';
import { buildApp } from '../http/app.ts';
import { IN_PROCESS_URL, type InProcess, openInProcess } from '../http/in-process.ts';
import type { Keys } from '../security/api-keys.ts';
import { createServices, type Services } from './services.ts';
import type { ServiceStopOptions } from './stop.ts';
import { VERSION } from './version.ts';

/** A service inside a command's process, and the way to its API. */
export interface EmbeddedEasel {
  /** What it accepts is made here, or by a replica over the same records. */
  readonly easel: Easel;
  /** How it is reached, for what `easel` has no function for. */
  readonly connection: EaselOptions;
  /** Goes on with a picture that an earlier process may have left unfinished. */
  resume(mediaId: string): Promise<void>;
  /** Stops as `Services.stop` promises. `endAnswers` may read from it still. */
  stop(options: ServiceStopOptions): Promise<void>;
}

interface EmbeddedOptions {
  /** Called where what was accepted waits for a process that makes pictures. */
  readonly onNoMaker: () => void;
}

/** Only this process can call: there is nothing to prove. */
const NO_KEYS: Keys = { inUse: false, find: () => null };
const NO_LIMITS: Config['server']['rateLimits'] = { generate: null, read: null, media: null };
const UNFINISHED: ReadonlySet<string> = new Set(['queued', 'generating', 'processing']);

/**
 * Opens a service in this process, without a port, keys and limits of rate. It begins no work of its own: of what an earlier process left
 * unfinished it goes on with the pictures alone that are asked for. With PostgreSQL, where replicas make what it accepts, it is like
 * one that only answers.
 *
 * Raises what `createServices` raises, such as `DatabaseInUseError` while a service owns the database.
 */
export async function openEmbeddedEasel(
  config: Config,
  log: Logger,
  { onNoMaker }: EmbeddedOptions,
): Promise<EmbeddedEasel> {
  const isShared = config.records.kind === 'postgres';
  const services = await createServices(isShared ? { ...config, role: 'api' } : config, log);
  try {
    const app = await buildApp(
      {
        ...config.server,
        version: VERSION,
        answersCallers: true,
        page: false,
        // A redirect would lead out of the process.
        mediaDelivery: 'stream',
        rateLimits: NO_LIMITS,
      },
      { ...services, keys: NO_KEYS, requestCounters: null },
      // A command is alone with its request, however busy the machine is.
      { watchLoad: () => () => false },
    );
    const way = await openInProcess(app);
    const connection: EaselOptions = { baseUrl: IN_PROCESS_URL, fetch: way.fetch };
    return {
      easel: withMaking(createEasel(connection), services, onNoMaker),
      connection,
      resume: (mediaId) => services.resume(mediaId),
      async stop({ endAnswers, ...options }) {
        await services.stop({
          ...options,
          async endAnswers() {
            await endAnswers?.();
            await closeAll(way, app);
          },
        });
      },
    };
  } catch (error) {
    await services.stop({ graceMs: 0 });
    throw error;
  }
}

async function closeAll(way: InProcess, app: { close(): Promise<unknown> }): Promise<void> {
  await way.close();
  await app.close();
}

/** The client, which sees to it that what it asks for is made: the services were not started, so that they resume nothing else. */
function withMaking(client: Easel, services: Pick<Services, 'resume' | 'hasMaker'>, onNoMaker: () => void): Easel {
  async function accepted<T extends { readonly mediaId: string; readonly status: string }>(record: T): Promise<T> {
    if (!UNFINISHED.has(record.status)) return record;
    // It may be one that an earlier process left unfinished.
    await services.resume(record.mediaId);
    if (!(await services.hasMaker())) onNoMaker();
    return record;
  }
  return {
    ...client,
    submit: async (request, options) => await accepted(await client.submit(request, options)),
    retry: async (mediaId, options) => await accepted(await client.retry(mediaId, options)),
    async generate(request, options) {
      const { mediaId } = await accepted(await client.submit(request, options));
      return await client.wait(mediaId, options);
    },
  };
}
