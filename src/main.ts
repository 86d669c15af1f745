/** Process entry: reads the configuration, builds and starts the service, listens, and stops on signals. */

import './thread-pool.ts';
import { flushCompileCache } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import { createServiceLogger } from './composition/logging.ts';
import { createServices } from './composition/services.ts';
import { listen } from './composition/start/listen.ts';
import { connectionBound, MIN_OPEN_FILES, openFileLimit } from './composition/start/open-files.ts';
import { startReport } from './composition/start/start-report.ts';
import { createStopper, stopOnSignals } from './composition/stop.ts';
import { VERSION } from './composition/version.ts';
import { type Config, ConfigError, EX_CONFIG, readConfig } from './config/config.ts';
import {
  DatabaseInUseError,
  ForeignMediaError,
  ImageError,
  MediaInUseError,
  StorageSetupError,
} from './core/domain/errors.ts';
import { buildApp } from './http/app.ts';

const config = readConfigOrExit();
const openFiles = openFileLimit();
if (openFiles !== null && openFiles < MIN_OPEN_FILES) exitWithFewOpenFiles(openFiles);
let logger = await createServiceLogger(config.log.level, config.secrets.mask);

try {
  await serve();
} catch (error) {
  reportStartError(error);
}

function readConfigOrExit(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(`Easel did not start: ${error.message}`);
    process.exit(EX_CONFIG);
  }
}

function exitWithFewOpenFiles(limit: number): never {
  console.error(
    `Easel did not start: it may open ${limit} files at once and needs ${MIN_OPEN_FILES}; raise the limit (ulimit -n)`,
  );
  process.exit(EX_CONFIG);
}

async function serve(): Promise<void> {
  const services = await createServices(config, logger);
  logger = services.logger;
  let stop = async (): Promise<void> => void (await services.stop({ graceMs: 0 }));
  try {
    const app = await buildApp({ ...config.server, version: VERSION }, services, {
      maxConnections: connectionBound(openFiles),
    });
    const stopper = createStopper({
      graceMs: config.shutdownGraceMs,
      stopServices: services.stop,
      closeApp: () => app.close(),
      logger,
    });
    stop = stopper.stop;
    const reloadsKeys = config.keys.file !== null;
    if (reloadsKeys) process.on('SIGHUP', services.reloadKeys);
    stopOnSignals(stopper, { ignoreHangup: reloadsKeys, logger });
    logger.info(...startReport(config, await listen(app, config.server)));
    // The log is written once a turn of the event loop: with the start in it before any work can end the process.
    await setImmediate();
    await services.start();
    // Node writes it at a normal exit alone, which a process that is killed does not have. Threads write their own as they end.
    flushCompileCache();
  } catch (error) {
    reportStartError(error);
    // An app that went on listening would keep the process alive, without services behind it.
    await stop();
  }
}

function reportStartError(error: unknown): void {
  const isSetting = [ConfigError, ForeignMediaError, StorageSetupError].some((kind) => error instanceof kind);
  if (error instanceof Error && isSetting) {
    console.error(`Easel did not start: ${config.secrets.mask(error.message)}`);
    process.exitCode = EX_CONFIG;
    return;
  }
  logger.fatal(...describeStartError(error));
  process.exitCode = 1;
}

/** What to log about a failed start: one sentence for expected errors, else the whole error with its stack. */
function describeStartError(error: unknown): [object, string] {
  const expected = [DatabaseInUseError, MediaInUseError, ImageError];
  if (error instanceof Error && expected.some((kind) => error instanceof kind)) {
    return [{}, `could not start: ${error.message}`];
  }
  const { code, syscall } = error as NodeJS.ErrnoException;
  const { host, port } = config.server;
  if (syscall === 'listen' && code === 'EADDRINUSE') {
    return [{}, `could not start: ${host}:${port} is in use by another process; set PORT to a free one`];
  }
  return [{ err: error }, 'could not start'];
}
