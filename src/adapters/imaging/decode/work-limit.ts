import { ImageError } from '../../../core/domain/errors.ts';
import { startAwakeTimeout, type Timers } from '../../time/awake-time.ts';

/** The processor time is read this often within the limit. */
const CHECKS_PER_LIMIT = 20;
/** Being awake for this many limits, without as much work as one, means that the machine has no time for the picture. */
const MAX_LIMITS_AWAKE = 20;

/** For tests to replace. */
interface WorkClocks {
  /** Processor time that was used, in milliseconds. */
  readonly processorMs?: () => number;
  readonly timers?: Timers;
}

/**
 * Runs `work`, and raises `ImageError` with `invalid_image` once it has had the time of `seconds` and does not end. Two clocks
 * have to say so: the processor time of this process, and the time in which it was awake. So neither a process that was stopped
 * (SIGSTOP, a closed lid, a moved machine) nor one that had no processor makes a picture late. Where the processor time does not
 * come, `internal_error` is raised in the end. Late work is abandoned, not stopped: `signal` asks it not to begin anything new.
 */
export async function withWorkLimit<T>(
  seconds: number,
  work: (signal: AbortSignal) => Promise<T>,
  { processorMs = usedProcessorMs, timers }: WorkClocks = {},
): Promise<T> {
  const ended = new AbortController();
  const late = new AbortController();
  const running = work(late.signal);
  const limit = lateness(seconds, ended.signal, processorMs, timers).catch((error: unknown) => {
    late.abort();
    throw error;
  });
  try {
    return await Promise.race([running, limit]);
  } finally {
    ended.abort();
    limit.catch(() => undefined);
    running.catch(() => undefined);
  }
}

/** Of all threads of this process, in milliseconds. */
function usedProcessorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Rejects when the work is late; never settles once the signal has fired. */
function lateness(seconds: number, signal: AbortSignal, processorMs: () => number, timers?: Timers): Promise<never> {
  const limitMs = seconds * 1000;
  const processorAtStart = processorMs();
  const { promise, reject } = Promise.withResolvers<never>();
  let checks = 0;
  let stopTimer = startTimer();
  signal.addEventListener('abort', () => stopTimer(), { once: true });
  return promise;

  function startTimer(): () => void {
    return startAwakeTimeout(limitMs / CHECKS_PER_LIMIT, check, timers);
  }

  function check(): void {
    checks += 1;
    if (checks >= CHECKS_PER_LIMIT && processorMs() - processorAtStart >= limitMs) {
      reject(new ImageError('invalid_image', `the picture could not be decoded within ${seconds} s`));
    } else if (checks >= MAX_LIMITS_AWAKE * CHECKS_PER_LIMIT) {
      const detail =
        'the picture could not be decoded, since the machine had too little time for it; its original is kept';
      reject(new ImageError('internal_error', detail));
    } else {
      stopTimer = startTimer();
    }
  }
}
