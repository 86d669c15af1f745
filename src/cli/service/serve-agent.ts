import type { Logger } from 'pino';
import { createEasel, EaselError } from '../../client/client.ts';
import type { Easel } from '../../client/easel.ts';
import type { EmbeddedEasel } from '../../composition/embedded-easel.ts';
import { createCommandLogger } from '../../composition/logging.ts';
import { serveMcp } from '../../composition/mcp.ts';
import { type Config, ConfigError, readCommandConfig } from '../../config/config.ts';
import {
  DatabaseInUseError,
  ForeignMediaError,
  ForeignRecordsError,
  MediaInUseError,
  StorageSetupError,
} from '../../core/domain/errors.ts';
import type { Address } from './address.ts';
import { isUnfinished } from './find-record.ts';
import { watchSignals } from './signals.ts';

/** A service that is opened when the first tool needs it. */
interface LateService {
  readonly open: () => Promise<Easel>;
  stop(endCalls: () => Promise<void>): Promise<void>;
}

/** Serves until the client closes standard input, or a signal comes; then what is paid for is stored. Resolves to the exit code. */
export async function serveAgent(address: Address | null): Promise<number> {
  const config = readCommandConfig(process.env);
  using signals = watchSignals();
  const log = await createCommandLogger(config.secrets.mask);
  for (const warning of config.warnings) log.warn(warning);
  const service = address === null ? embeddedService(config, log) : runningService(address);
  const { mcpWaitSeconds: waitSeconds } = config.server;
  const connection = await serveMcp({ waitSeconds, log, openEasel: service.open, url: address?.url ?? null });
  try {
    return await Promise.race([connection.closed.then(() => 0), signals.first]);
  } finally {
    await service.stop(connection.endCalls);
    await connection.close();
  }
}

function runningService({ url, apiKey }: Address): LateService {
  // One retry: an agent does not wait for more.
  const easel = createEasel({ baseUrl: url, apiKey, maxRetries: 1 });
  return { open: async () => easel, stop: (endCalls) => endCalls() };
}

function embeddedService(config: Config, log: Logger): LateService {
  let opened: Promise<EmbeddedEasel> | null = null;

  async function openAgain(): Promise<EmbeddedEasel> {
    const { openEmbeddedEasel } = await import('../../composition/embedded-easel.ts');
    const onNoMaker = () => log.warn('no replica that makes pictures is running; the picture waits for one');
    return await openEmbeddedEasel(config, log, { onNoMaker }).catch((error: unknown) => {
      opened = null;
      throw toToolError(error);
    });
  }

  return {
    async open() {
      opened ??= openAgain();
      const { easel, resume } = await opened;
      return {
        ...easel,
        async get(mediaId, options) {
          const record = await easel.get(mediaId, options);
          // It may be one that an earlier process left unfinished: what an agent collects goes on.
          if (isUnfinished(record)) await resume(mediaId);
          return record;
        },
      };
    },
    async stop(endCalls) {
      const service = await opened?.catch(() => null);
      if (service === undefined || service === null) return await endCalls();
      await service.stop({
        graceMs: config.shutdownGraceMs,
        onRunningCalls: (calls) => log.info({ calls }, 'waiting for paid calls to end'),
        endAnswers: endCalls,
      });
    },
  };
}

/** What an agent gets to know of a service that could not be opened; it is tried again at the next call. */
function toToolError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const isOwned = error instanceof DatabaseInUseError || error instanceof MediaInUseError;
  const advice = isOwned
    ? '; set EASEL_URL to the address of that service, such as http://127.0.0.1:3000, and EASEL_API_KEY to a key of it'
    : '';
  const known = [ConfigError, ForeignMediaError, ForeignRecordsError, StorageSetupError];
  if (!isOwned && !known.some((kind) => error instanceof kind)) return error;
  return new EaselError({
    code: 'storage_unavailable',
    status: 503,
    message: `${error.message}${advice}`,
    cause: error,
  });
}
