import type { Services } from '../composition/services.ts';
import { endAtOnce, REPEAT_MS } from '../composition/stop.ts';
import { type Config, readCommandConfig } from '../config/config.ts';
import { ImageError } from '../core/domain/errors.ts';
import type { Image } from '../core/domain/image.ts';
import { ANONYMOUS } from '../core/domain/request.ts';
import { EXIT_INTERRUPTED } from './failure.ts';
import { createPayments, describePaid, type Payments } from './payments.ts';

/** What a command works with. */
interface EmbeddedService {
  readonly config: Config;
  readonly services: Services;
  /** To name the images that the command may pay for, so that it can say what it paid when it is interrupted. */
  readonly payments: Payments;
  /** Fires at Ctrl-C. The command then writes no result any more. */
  readonly interrupted: AbortSignal;
}

/**
 * Runs `work` on a service in this process, without HTTP, and stops the service. Resolves to the exit code that `work` gives, or, after
 * SIGINT or SIGTERM, to 130. Either way a paid call that is out is waited for, as by a service that stops; then an interrupted command
 * says what was paid. A second signal ends the process at once.
 *
 * Raises `ConfigError`, and what `createServices` raises, such as `DatabaseInUseError` while a service owns the database.
 */
export async function withServices(work: (service: EmbeddedService) => Promise<number>): Promise<number> {
  const config = readCommandConfig(process.env);
  const began = Date.now();
  const signals = watchSignals();
  // Loaded here, not with the command line: `--help` needs none of the service.
  const { createCommandLogger } = await import('../composition/logging.ts');
  const { createServices } = await import('../composition/services.ts');
  const log = await createCommandLogger(config.secrets.mask);
  for (const warning of config.warnings) log.warn(warning);
  const isShared = config.records.kind === 'postgres';
  // What a command accepts there, the replicas make: it is like one that only answers.
  const services = await createServices(isShared ? { ...config, role: 'api' } : config, log);
  const find = (mediaId: string) => findImage(services, mediaId);
  const payments = createPayments(began, find);
  const isInterrupted = () => signals.interrupted.aborted;
  const goesOn = isShared ? ' so far; the replicas go on with what was accepted' : '';
  const reportPaid = async () =>
    console.error(`interrupted: ${describePaid(await payments.total())} was paid${goesOn}`);
  signals.onSecond(reportPaid);
  try {
    if (isInterrupted()) return EXIT_INTERRUPTED;
    const ended = work({ config, services, payments, interrupted: signals.interrupted });
    const code = await Promise.race([ended, signals.first]);
    return isInterrupted() ? EXIT_INTERRUPTED : code;
  } finally {
    await services.stop({
      graceMs: config.shutdownGraceMs,
      onRunningCalls: reportCalls,
      endAnswers: async () => isInterrupted() && (await reportPaid()),
    });
    signals.close();
  }
}

interface Signals {
  /** Fires at the first signal. */
  readonly interrupted: AbortSignal;
  /** Resolves, to the exit code, at the first signal. */
  readonly first: Promise<number>;
  /** Runs `report` before a second signal ends the process. */
  onSecond(report: () => Promise<void>): void;
  close(): void;
}

/** Watches for Ctrl-C. A repeat within a second is the same order: npm passes on a Ctrl-C that the terminal has sent to both. */
function watchSignals(): Signals {
  const controller = new AbortController();
  const first = Promise.withResolvers<number>();
  let report = async () => {};
  let firstAt: number | null = null;

  const onSignal = () => {
    const now = performance.now();
    if (firstAt === null) {
      firstAt = now;
      controller.abort();
      first.resolve(EXIT_INTERRUPTED);
    } else if (now - firstAt >= REPEAT_MS) {
      process.exitCode = EXIT_INTERRUPTED;
      void report()
        .catch(() => undefined)
        .finally(endAtOnce);
    }
  };
  const names = ['SIGINT', 'SIGTERM'] as const;
  for (const name of names) process.on(name, onSignal);
  return {
    interrupted: controller.signal,
    first: first.promise,
    onSecond(newReport) {
      report = newReport;
    },
    close() {
      for (const name of names) process.off(name, onSignal);
    },
  };
}

async function findImage({ images }: Services, mediaId: string): Promise<Image | null> {
  return await images.get(mediaId, ANONYMOUS).catch((error: unknown) => {
    if (error instanceof ImageError && error.code === 'not_found') return null;
    throw error;
  });
}

function reportCalls(count: number): void {
  if (count === 0) return;
  const calls = count === 1 ? 'a paid call' : `${count} paid calls`;
  console.error(`waiting for ${calls} to end, so that the picture is not lost; a second signal ends at once`);
}

/** Says so on standard error where no process runs that makes what was accepted, so that the command waits for one. */
export async function warnWithoutMaker(services: Services): Promise<void> {
  if (await services.hasMaker()) return;
  console.error('no replica that makes pictures is running; the picture waits for one with ROLE=all or ROLE=worker');
}

/** The longest delay of a timer, in milliseconds (about 25 days). */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** Waits until the image is finished, or the service begins to stop; null when it was deleted meanwhile. */
export async function waitForImage({ images }: Services, mediaId: string): Promise<Image | null> {
  return await images.waitUntilFinished(mediaId, LONGEST_WAIT_MS, new AbortController().signal);
}
