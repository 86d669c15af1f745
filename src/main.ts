import './thread-pool.ts';
import closeWithGrace from 'close-with-grace';
import { createServiceLogger } from './composition/logging.ts';
import { createServices } from './composition/services.ts';
import { VERSION } from './composition/version.ts';
import { type Config, ConfigError, readConfig } from './config/config.ts';
import { DatabaseInUseError, ImageError } from './core/domain/errors.ts';
import { buildApp } from './http/app.ts';

/** sysexits.h: something was found in an unconfigured or misconfigured state. */
const EX_CONFIG = 78;

/** Kept back from the grace time for closing files and connections after the last job. */
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
  const stopServices = (answered?: Promise<unknown>) =>
    services.stop(AbortSignal.timeout(Math.max(0, graceMs - CLOSE_RESERVE_MS)), answered);
  try {
    const app = await buildApp({ ...config.server, version: VERSION }, services);
    if (config.keys.file !== null) process.on('SIGHUP', services.reloadKeys);
    stopOnSignals(graceMs, async () => {
      const closed = app.close();
      await Promise.all([closed, stopServices(closed)]);
    });
    await app.listen({
      host: config.server.host,
      port: config.server.port,
      listenTextResolver: (address) => `Easel ${VERSION} listens on ${address}`,
    });
    await services.start();
  } catch (error) {
    await stopServices();
    throw error;
  }
}

/** Has `stop` run once, at the first SIGINT or SIGTERM or after an unexpected error, and the process end within `graceMs`. */
function stopOnSignals(graceMs: number, stop: () => Promise<void>): void {
  const closer = closeWithGrace(
    {
      delay: graceMs,
      logger,
      // At a second signal it would exit with 1, but npm passes on a signal that the terminal has already sent. At the event
      // loop's end it would exit with 0, whatever exit code was set.
      // A SIGHUP has the file of keys read again; only where there is none does it stop the service.
      skip: ['SIGINT', 'SIGTERM', 'beforeExit', ...(config.keys.file === null ? [] : (['SIGHUP'] as const))],
      // Work that did not end in time is durable; the next start goes on with it.
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
      logger.info({ signal }, 'stopping: no new work, running work may end');
      closer.close();
    });
  }
}

/** What to log about a failed start: one sentence where the cause is known, the whole error where it is not. */
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
