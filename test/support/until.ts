import { setTimeout as delay } from 'node:timers/promises';

/**
 * The longest that a test waits for something, in milliseconds. It bounds only a failure: what passes does not take it, and on a
 * machine that is busy with other work anything may take ten times as long.
 */
export const LONGEST_WAIT_MS = 100_000;

/** Polls until the condition gives something that is true, for state that sends no notice. Rejects after `LONGEST_WAIT_MS`. */
export async function until(condition: () => unknown): Promise<void> {
  await eventually(async () => {
    if (!(await condition())) throw new Error(`it did not come to this within ${LONGEST_WAIT_MS / 1000} s`);
  });
}

/**
 * Calls `attempt` until it succeeds, and gives its result. Rejects with its last error after `LONGEST_WAIT_MS`. It takes at most half of
 * the time, so that the rest is for what it waits for.
 */
export async function eventually<T>(attempt: () => T | Promise<T>): Promise<T> {
  const deadline = performance.now() + LONGEST_WAIT_MS;
  for (;;) {
    const began = performance.now();
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await delay(Math.max(20, performance.now() - began));
  }
}
