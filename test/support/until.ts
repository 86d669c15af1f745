import { setTimeout as delay } from 'node:timers/promises';

/** Polls every 20 ms until the condition holds, for state of another process that sends no notice. Rejects after 20 s. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not come to this within 20 s');
    await delay(20);
  }
}
