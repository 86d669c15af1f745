import { ImageError } from '../../../core/domain/errors.ts';
import { startAwakeTimeout, type Timers } from '../../time/awake-time.ts';

/** The processor time is read this often within the limit. */
const CHECKS_PER_LIMIT = 20;
/** Being awake for this many limits, without as much work as one, means that the machine has no time for the picture. */
const MAX_LIMITS_AWAKE = 20;

interface WorkClocks {
  /** How many pictures share the processor time of this process now; default 1. */
  readonly sharers?: (() => number) | undefined;
  /** Processor time that was used, in milliseconds. For tests to replace, as the timers. */
  readonly processorMs?: () => number;
  readonly timers?: Timers;
}

/**
 * Runs `work`, and raises `ImageError` with `invalid_image` once it has had the time of `seconds` and does not end. Two clocks
 * have to say so: its share in the processor time of this process, and the time in which it was awake. So neither a process that
 * was stopped (SIGSTOP, a closed lid, a moved machine) nor one that had no processor makes a picture late, nor do other pictures at
 * the same time. Where the processor time does not come, `internal_error` is raised in the end. Late work is abandoned, not stopped:
 * `signal` asks it not to begin anything new.
 */
export async function withWorkLimit<T>(
  seconds: number,
  work: (signal: AbortSignal) => Promise<T>,
  { sharers = () => 1, processorMs = usedProcessorMs, timers }: WorkClocks = {},
): Promise<T> {
  const ended = new AbortController();
  const late = new AbortController();
  const running = work(late.signal);
  const limit = lateness(seconds, ended.signal, { sharers, processorMs, timers }).catch((error: unknown) => {
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
function lateness(
  seconds: number,
  signal: AbortSignal,
  {
    sharers,
    processorMs,
    timers,
  }: Pick<Required<WorkClocks>, 'processorMs'> & { sharers(): number; timers?: Timers | undefined },
): Promise<never> {
  const limitMs = seconds * 1000;
  let lastMs = processorMs();
  let shareMs = 0;
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
    const nowMs = processorMs();
    shareMs += (nowMs - lastMs) / Math.max(1, sharers());
    lastMs = nowMs;
    if (checks >= CHECKS_PER_LIMIT && shareMs >= limitMs) {
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
