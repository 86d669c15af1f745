import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createLatenessMeter } from '../src/event-loop.ts';

/** Keeps the event loop from turning, as too much work would, until a sample is due; then has it taken. */
async function holdUp(): Promise<void> {
  const until = performance.now() + 60;
  while (performance.now() < until);
  await delay(1);
}

it('tells that the process cannot keep up, but for its start, and that it can again', async () => {
  const meter = createLatenessMeter({ maxLatenessMs: 20, sampleMs: 40 });
  try {
    await holdUp();
    expect(meter.isOverloaded()).toBe(false);
    meter.start();
    await holdUp();
    expect(meter.isOverloaded()).toBe(false);
    await holdUp();
    expect(meter.isOverloaded()).toBe(true);
    await expect.poll(meter.isOverloaded, { interval: 10 }).toBe(false);
  } finally {
    meter.stop();
  }
});
