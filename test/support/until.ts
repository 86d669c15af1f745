import { setTimeout as delay } from 'node:timers/promises';

/** Asks again until the condition holds; for what another process does, and can only be looked at. Raises after 20 s. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not come to this within 20 s');
    await delay(20);
  }
}
