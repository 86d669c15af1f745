/** Process entry: reads the configuration, builds and starts the service, listens, and stops on signals. */

import './thread-pool.ts';
import closeWithGrace from 'close-with-grace';
import { createServiceLogger } from './composition/logging.ts';
import { createServices, type Services } from './composition/services.ts';
import { VERSION } from './composition/version.ts';
import { type Config, ConfigError, EX_CONFIG, readConfig } from './config/config.ts';
import { DatabaseInUseError, ImageError } from './core/domain/errors.ts';
import { buildApp } from './http/app.ts';

/** How long closing connections, files and the database may take, in milliseconds. */
const CLOSE_MS = 8_000;
/** A signal that comes again within this time is the same order: npm passes on a Ctrl-C that the terminal has sent to both. */
const REPEAT_MS = 1_000;

const config = readConfigOrExit();
const logger = createServiceLogger(config.log.level);

try {
  await serve();
} catch (error) {
  if (error instanceof ConfigError) exitWithConfigError(error);
  reportStartError(error);
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
  let stop = async (): Promise<void> => void (await services.stop({ graceMs: 0 }));
  try {
    const app = await buildApp({ ...config.server, version: VERSION }, services);
    const stopper = createStopper(graceMs, services, app);
    stop = stopper.stop;
    if (config.keys.file !== null) process.on('SIGHUP', services.reloadKeys);
    stopOnSignals(stopper);
    await app.listen({
      host: config.server.host,
      port: config.server.port,
      listenTextResolver: (address) => `Easel ${VERSION} listens on ${address}`,
    });
    await services.start();
  } catch (error) {
    reportStartError(error);
    // An app that went on listening would keep the process alive, without services behind it.
    await stop();
  }
}

interface Stopper {
  /** Stops everything, once, however often it is called. Ends the process where something cannot be stopped. */
  stop(): Promise<void>;
  /** Milliseconds since the stop began; null before. */
  sinceMs(): number | null;
  /** How many paid calls are out, while the stop waits for them. */
  runningCount(): number;
}

/** Stops `services`, and `app` when no paid call is out any more: until then it listens and answers. */
function createStopper(
  graceMs: number,
  services: Pick<Services, 'stop'>,
  app: { close(): PromiseLike<unknown> },
): Stopper {
  let began: number | null = null;
  let stopped: Promise<void> | null = null;
  let runningCount = 0;
  const sinceMs = () => (began === null ? null : performance.now() - began);

  function logRunningCalls(count: number): void {
    runningCount = count;
    const seconds = Math.ceil((graceMs - (sinceMs() ?? 0)) / 1000);
    const calls = `${count} paid ${count === 1 ? 'call' : 'calls'}`;
    logger.info(
      { calls: count },
      count === 0
        ? 'no paid call is out, ending'
        : `waiting for ${calls} to end, at most ${seconds} s; until then everything but new work is answered; a second signal ends at once`,
    );
  }

  async function stopAll(): Promise<void> {
    const workLeft = await services.stop({
      graceMs,
      onRunningCalls: logRunningCalls,
      async endAnswers() {
        setTimeout(() => {
          logger.warn('connections or files could not be closed in time');
          endAtOnce();
        }, CLOSE_MS).unref();
        await app.close();
      },
    });
    logger.info('stopped');
    if (workLeft) endAtOnce();
  }

  return {
    sinceMs,
    runningCount: () => runningCount,
    stop() {
      began ??= performance.now();
      stopped ??= stopAll();
      return stopped;
    },
  };
}

/** Stops at the first SIGINT or SIGTERM, or after an unexpected error, and ends the process; at once at a later signal. */
function stopOnSignals({ stop, sinceMs, runningCount }: Stopper): void {
  const closer = closeWithGrace(
    {
      // `stop` has its own bounds.
      delay: null,
      logger,
      // Signals are handled below: close-with-grace would exit with 1 at a second one. At `beforeExit` it would exit with 0,
      // whatever exit code was set. SIGHUP reloads the file of keys; it stops the service only where there is no such file.
      skip: ['SIGINT', 'SIGTERM', 'beforeExit', ...(config.keys.file === null ? [] : (['SIGHUP'] as const))],
      onSecondError(error) {
        process.exitCode = 1;
        logger.fatal({ err: error }, 'unexpected error while stopping, ending at once');
        endAtOnce();
      },
    },
    async ({ err }) => {
      if (err) {
        process.exitCode = 1;
        logger.fatal({ err }, 'unexpected error, stopping');
      }
      await stop();
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const since = sinceMs();
      if (since === null) {
        logger.info({ signal }, 'stopping: new work is refused, and work that waits is left for the next start');
        closer.close();
      } else if (since >= REPEAT_MS) {
        logger.warn({ signal, calls: runningCount() }, 'ending at once; calls that are out stay on record as unknown');
        endAtOnce();
      }
    });
  }
}

/**
 * Ends the process with its exit code, whatever its threads do: `process.exit` would wait for those of libuv, in which encoding an AVIF
 * can take minutes. A program that exits with that code takes its place; all threads and open files go at that. Unfinished work is
 * durable: the next start resumes it.
 */
function endAtOnce(): never {
  const code = Number(process.exitCode ?? 0);
  // Writes buffered lines of the log.
  process.emit('exit', code);
  try {
    process.execve?.(process.execPath, [process.execPath, '-e', `process.exitCode = ${code}`], {});
  } finally {
    // Where there is no execve (Windows).
    process.exit(code);
  }
}

function reportStartError(error: unknown): void {
  logger.fatal(...describeStartError(error));
  process.exitCode = 1;
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
