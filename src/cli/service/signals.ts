import { endAtOnce, REPEAT_MS } from '../../composition/stop.ts';
import { EXIT_INTERRUPTED } from '../failure.ts';

/** The signals that end a command. */
export interface Signals extends Disposable {
  /** Fires at the first one. */
  readonly interrupted: AbortSignal;
  /** Resolves, to the exit code, at the first one. */
  readonly first: Promise<number>;
  /** Runs `report` before a second one ends the process. */
  onSecond(report: () => Promise<void>): void;
}

/** How long the last words before a second signal ends the process may take, in milliseconds. */
const LAST_WORDS_MS = 5_000;

/** Watches for Ctrl-C. A repeat within a second is the same order: npm passes on a Ctrl-C that the terminal has sent to both. */
export function watchSignals(): Signals {
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
      setTimeout(endAtOnce, LAST_WORDS_MS);
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
    [Symbol.dispose]() {
      for (const name of names) process.off(name, onSignal);
    },
  };
}
