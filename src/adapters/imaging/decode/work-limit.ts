import { setTimeout as delay } from 'node:timers/promises';
import { ImageError } from '../../../core/domain/errors.ts';

/** The process is looked at this often within its limit. */
const LOOKS = 20;
/** Waiting this many times the limit, without as much work, means that the machine has no time for the picture. */
const MOST_WAITS = 20;

/**
 * Runs `work`, and raises `ImageError` with `invalid_image` once it has had the time of `seconds` and does not end. Two clocks
 * have to say so: the processor time of this process, and the time in which it was awake. So neither a process that was stopped
 * (SIGSTOP, a closed lid, a moved machine) nor one that had no processor makes a picture late. Where the processor time does not
 * come, `internal_error` is raised in the end. Late work is abandoned, not stopped: `signal` asks it not to begin anything new.
 */
export async function withWorkLimit<T>(
  seconds: number,
  work: (signal: AbortSignal) => Promise<T>,
  processorMs: () => number = usedProcessorMs,
): Promise<T> {
  const ended = new AbortController();
  const late = new AbortController();
  const running = work(late.signal);
  const limit = lateness(seconds, ended.signal, processorMs).catch((error: unknown) => {
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

/** Rejects when the work is late. */
async function lateness(seconds: number, signal: AbortSignal, processorMs: () => number): Promise<never> {
  const limitMs = seconds * 1000;
  const stepMs = limitMs / LOOKS;
  const processorAtStart = processorMs();
  let awakeMs = 0;
  let before = performance.now();
  for (;;) {
    await delay(stepMs, undefined, { signal });
    const now = performance.now();
    // A longer gap is time in which the process did not run: it counts as one step.
    awakeMs += Math.min(now - before, 2 * Math.max(1, stepMs));
    before = now;
    if (awakeMs >= limitMs && processorMs() - processorAtStart >= limitMs) {
      throw new ImageError('invalid_image', `the picture could not be decoded within ${seconds} s`);
    }
    if (awakeMs >= MOST_WAITS * limitMs) {
      throw new ImageError(
        'internal_error',
        `the picture could not be decoded, since the machine had too little time for it; its original is kept`,
      );
    }
  }
}
