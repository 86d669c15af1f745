/** How the service stops, and the process with it. */

import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import type { ImageQueue, StopOptions } from '../core/pipeline/image-queue.ts';
import type { Clock } from '../core/ports/clock.ts';

export interface ServiceStopOptions extends StopOptions {
  /** How long paid calls may take to end, in milliseconds. */
  readonly graceMs: number;
  /** Ends the HTTP side: resolves when nothing is being answered any more. */
  readonly endAnswers?: () => Promise<unknown>;
}

/** As `Services.stop` promises. */
export type StopServices = (options: ServiceStopOptions) => Promise<boolean>;

interface StopParts {
  /** Fires at once: new work is refused, waiting calls are answered. */
  readonly stopping: AbortController;
  /** Fires when event streams end. */
  readonly ending: AbortController;
  readonly queue: ImageQueue;
  readonly clock: Pick<Clock, 'sleep'>;
  /** Resolves when the start is over. */
  readonly started: () => Promise<void>;
  /** Closes everything that was opened. */
  readonly close: () => Promise<void>;
}

/** Makes the stop of the services, whose phases `Services.stop` describes. */
export function createServiceStop({ stopping, ending, queue, clock, started, close }: StopParts): StopServices {
  return async ({ graceMs, endAnswers, ...options }) => {
    stopping.abort();
    const stopped = new AbortController();
    const deadline = new AbortController();
    void clock.sleep(graceMs, stopped.signal).then(
      () => deadline.abort(),
      () => undefined,
    );
    await queue.stop(deadline.signal, options);
    stopped.abort();
    ending.abort();
    await Promise.allSettled([started(), endAnswers?.()]);
    const { running, deferred } = await queue.depth();
    await close();
    return running + deferred > 0;
  };
}

/** How long closing connections, files and the database may take, in milliseconds. */
const CLOSE_MS = 8_000;
/** A signal that comes again within this time is the same order: npm passes on a Ctrl-C that the terminal has sent to both. */
export const REPEAT_MS = 1_000;

interface Stopper {
  /** Stops everything, once, however often it is called. Ends the process where something cannot be stopped. */
  stop(): Promise<void>;
  /** Milliseconds since the stop began; null before. */
  sinceMs(): number | null;
  /** How many paid calls are running, while the stop waits for them. */
  runningCount(): number;
}

interface StopperParts {
  /** How long paid calls may take to end, in milliseconds. */
  readonly graceMs: number;
  readonly stopServices: StopServices;
  /** Ends the HTTP side. */
  readonly closeApp: () => Promise<unknown>;
  readonly logger: Logger;
}

/** Stops the services, and the app when no paid call is running any more: until then it listens and answers. */
export function createStopper({ graceMs, stopServices, closeApp, logger }: StopperParts): Stopper {
  let began: number | null = null;
  let stopped: Promise<void> | null = null;
  let runningCount = 0;
  const sinceMs = () => (began === null ? null : performance.now() - began);

  function logRunningCalls(count: number): void {
    const cutOff = (sinceMs() ?? 0) >= graceMs ? runningCount - count : 0;
    runningCount = count;
    if (cutOff > 0) {
      logger.warn(
        { calls: cutOff },
        'SHUTDOWN_GRACE_SECONDS is over: a paid call was cut off, and stays on record as unknown',
      );
    }
    const seconds = Math.max(0, Math.ceil((graceMs - (sinceMs() ?? 0)) / 1000));
    const calls = `${count} paid ${count === 1 ? 'call' : 'calls'}`;
    logger.info(
      { calls: count },
      count === 0
        ? 'no paid call is running; the process ends'
        : `waiting for ${calls} to end, at most ${seconds} s; until then everything but new work is answered; a second signal ends at once`,
    );
  }

  async function stopAll(): Promise<void> {
    const workLeft = await stopServices({
      graceMs,
      onRunningCalls: logRunningCalls,
      async endAnswers() {
        setTimeout(() => {
          logger.warn('connections or files could not be closed in time');
          endAtOnce();
        }, CLOSE_MS).unref();
        await closeApp();
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

interface SignalOptions {
  /** True where SIGHUP means something else than a stop. */
  readonly ignoreHangup: boolean;
  readonly logger: Logger;
}

/** Stops at the first SIGINT or SIGTERM, or after an unexpected error, and ends the process; at once at a later signal. */
export function stopOnSignals({ stop, sinceMs, runningCount }: Stopper, { ignoreHangup, logger }: SignalOptions): void {
  const closer = closeWithGrace(
    {
      // `stop` has its own bounds.
      delay: null,
      logger,
      // Signals are handled below: close-with-grace would exit with 1 at a second one. At `beforeExit` it would exit with 0,
      // whatever exit code was set.
      skip: ['SIGINT', 'SIGTERM', 'beforeExit', ...(ignoreHangup ? (['SIGHUP'] as const) : [])],
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
        logger.warn(
          { signal, calls: runningCount() },
          'ending at once; calls that are running stay on record as unknown',
        );
        endAtOnce();
      }
    });
  }
}

/**
 * Ends the process with its exit code, whatever its threads do: `process.exit` would wait for those of libuv, in which encoding an AVIF
 * can take minutes. It replaces the process by a program that exits with the same code, which ends all threads at once. Unfinished work
 * is durable: the next start resumes it.
 */
export function endAtOnce(): never {
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
