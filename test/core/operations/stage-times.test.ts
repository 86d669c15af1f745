import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, createStageTimes } from '../../../src/core/operations/stage-times.ts';
import type { StageCount } from '../../../src/core/ports/record-store.ts';
import { createManualClock } from '../../support/test-clock.ts';

const HOUR_MS = 3_600_000;

/** The counts over records in memory; writes fail while `isBroken` holds. */
function setUp() {
  const clock = createManualClock();
  const stored: StageCount[] = [];
  const state = { isBroken: false, writes: 0 };
  const times = createStageTimes(
    {
      async noteStages(counts, keptFrom) {
        state.writes += 1;
        if (state.isBroken) throw new Error('the disk is full');
        stored.push(...counts);
        stored.splice(0, Infinity, ...stored.filter(({ hour }) => hour >= keptFrom));
      },
      stageCounts: async (fromHour) => stored.filter(({ hour }) => hour >= fromHour),
    },
    clock,
  );
  return { clock, stored, state, times };
}

describe('how long stages take', () => {
  it('has both quantiles within 5% of that of the jobs, stored or not', async () => {
    const seconds = fc.array(fc.double({ min: 0.002, max: 3_000, noNaN: true }), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(seconds, fc.nat(60), async (all, storedAfter) => {
        const { times } = setUp();
        for (const [index, one] of all.entries()) {
          if (index === storedAfter) await times.flush();
          times.note('generate', one);
        }
        const [summary] = await times.summary();
        const sorted = all.toSorted((a, b) => a - b);
        const exact = (share: number) => (sorted[Math.ceil(share * all.length) - 1] ?? 0) * 1_000;
        expect(summary?.count).toBe(all.length);
        // Whole milliseconds add a half at most.
        for (const [value = 0, of] of [
          [summary?.p50Ms, exact(0.5)],
          [summary?.p95Ms, exact(0.95)],
        ] as const)
          expect(Math.abs(value - of)).toBeLessThanOrEqual(0.05 * of + 0.5);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps as few counts for any times', () => {
    const buckets = [0, -1, Number.NaN, 1e-9, 0.001, 1, 3_600, 1e9, Number.POSITIVE_INFINITY].map(bucketOf);
    expect(Math.min(...buckets)).toBe(0);
    expect(Math.max(...buckets)).toBe(158);
    for (const bucket of buckets) expect(Number.isInteger(bucket)).toBe(true);
  });

  it('lists the stages that some job had, in their order, of the last 24 hours', async () => {
    const { clock, times, stored } = setUp();
    times.note('publish', 1);
    times.note('generate', 2);
    await times.flush();
    clock.move(23 * HOUR_MS);
    times.note('publish', 3);
    expect((await times.summary()).map(({ stage, count }) => [stage, count])).toEqual([
      ['generate', 1],
      ['publish', 2],
    ]);
    clock.move(HOUR_MS);
    expect((await times.summary()).map(({ stage, count }) => [stage, count])).toEqual([['publish', 1]]);
    await times.flush();
    expect(stored).toHaveLength(1);
  });

  it('writes nothing where nothing was counted, and loses nothing where a write fails', async () => {
    const { times, state } = setUp();
    await times.flush();
    expect(state.writes).toBe(0);
    times.note('store', 1);
    state.isBroken = true;
    const failing = times.flush();
    times.note('store', 1);
    await failing;
    expect((await times.summary())[0]?.count).toBe(2);
    state.isBroken = false;
    await times.flush();
    expect((await times.summary())[0]?.count).toBe(2);
    expect(state.writes).toBe(2);
  });
});
