/** Process entry: reads the configuration, builds and starts the service, listens, and stops on signals. */

import './thread-pool.ts';
import closeWithGrace from 'close-with-grace';
import { createServiceLogger } from './composition/logging.ts';
import { createServices } from './composition/services.ts';
import { VERSION } from './composition/version.ts';
import { type Config, ConfigError, EX_CONFIG, readConfig } from './config/config.ts';
import { DatabaseInUseError, ImageError } from './core/domain/errors.ts';
import { buildApp } from './http/app.ts';

/** Part of the shutdown grace time that is reserved for closing files and connections. */
const CLOSE_RESERVE_MS = 2_000;

const config = readConfigOrExit();
const logger = createServiceLogger(config.log.level);

try {
  await serve();
} catch (error) {
  if (error instanceof ConfigError) exitWithConfigError(error);
  logger.fatal(...describeStartError(error));
  process.exitCode = 1;
}

function readConfigOrExit(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    exitWithConfigError(error);
  }
}

function exitWithConfigError(error: ConfigError): never {
  console.error(`Easel did not start: ${error.message}`);
  process.exit(EX_CONFIG);
}

async function serve(): Promise<void> {
  const graceMs = config.shutdownGraceMs;
  const services = await createServices(config, logger);
  const stopServices = (answered?: Promise<unknown>): Promise<void> =>
    services.stop(AbortSignal.timeout(Math.max(0, graceMs - CLOSE_RESERVE_MS)), answered);
  let stop = stopServices;
  try {
    const app = await buildApp({ ...config.server, version: VERSION }, services);
    stop = async () => {
      const closed = app.close();
      await Promise.all([closed, stopServices(closed)]);
    };
    if (config.keys.file !== null) process.on('SIGHUP', services.reloadKeys);
    stopOnSignals(graceMs, stop);
    await app.listen({
      host: config.server.host,
      port: config.server.port,
      listenTextResolver: (address) => `Easel ${VERSION} listens on ${address}`,
    });
    await services.start();
  } catch (error) {
    // An app that went on listening would keep the process alive, without services behind it.
    await stop();
    throw error;
  }
}

/** Calls `stop` once, at the first SIGINT or SIGTERM or after an unexpected error, and ends the process within `graceMs`. */
function stopOnSignals(graceMs: number, stop: () => Promise<void>): void {
  const closer = closeWithGrace(
    {
      delay: graceMs,
      logger,
      // Signals are handled below: close-with-grace would exit with 1 at a second one, which comes from npm whenever a terminal
      // sends SIGINT to both. At `beforeExit` it would exit with 0, whatever exit code was set. SIGHUP reloads the file of keys;
      // it stops the service only where there is no such file.
      skip: ['SIGINT', 'SIGTERM', 'beforeExit', ...(config.keys.file === null ? [] : (['SIGHUP'] as const))],
      // Unfinished work is durable: the next start resumes it.
      onTimeout: () => process.exit(0),
    },
    async ({ err }) => {
      if (err) logger.fatal({ err }, 'unexpected error, stopping');
      await stop();
      logger.info('stopped');
    },
  );
  let stopRequested = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopRequested) return;
      stopRequested = true;
      logger.info({ signal }, 'stopping: new work is refused, running work may end');
      closer.close();
    });
  }
}

/** What to log about a failed start: one sentence for expected errors, else the whole error with its stack. */
function describeStartError(error: unknown): [object, string] {
  if (error instanceof DatabaseInUseError || error instanceof ImageError)
    return [{}, `could not start: ${error.message}`];
  const { code, syscall } = error as NodeJS.ErrnoException;
  const { host, port } = config.server;
  if (syscall === 'listen' && code === 'EADDRINUSE') {
    return [{}, `could not start: ${host}:${port} is in use by another process; set PORT to a free one`];
  }
  if (syscall === 'listen') return [{}, `could not start: cannot listen on ${host}:${port} (${code})`];
  return [{ err: error }, 'could not start'];
}
