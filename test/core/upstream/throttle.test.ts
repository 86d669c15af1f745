import { setImmediate as settled } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createThrottle, type ThrottleLimits } from '../../../src/core/upstream/throttle.ts';
import { createManualClock } from '../../support/test-clock.ts';

/** Calls that ask to enter are numbered in the order they asked. */
function setUp(limits: Partial<ThrottleLimits> = {}) {
  const clock = createManualClock();
  const throttle = createThrottle({ concurrency: null, perMinute: null, ...limits }, clock);
  const entered: number[] = [];
  const turns: Disposable[] = [];
  let asked = 0;
  return {
    clock,
    throttle,
    /** Which calls have entered so far. */
    async inside() {
      await settled();
      return [...entered];
    },
    ask(count: number, signal = new AbortController().signal) {
      return Promise.all(
        Array.from({ length: count }, async () => {
          const number = ++asked;
          turns[number] = await throttle.acquire(signal);
          entered.push(number);
        }),
      );
    },
    leave: (number: number) => turns[number]?.[Symbol.dispose](),
  };
}

describe('a throttle', () => {
  it('without limits holds nobody up', async () => {
    const { ask, inside } = setUp();
    void ask(100);
    expect(await inside()).toHaveLength(100);
  });

  it('lets in as many at a time as are allowed, first come first served', async () => {
    const { ask, inside, leave } = setUp({ concurrency: 2 });
    void ask(4);
    expect(await inside()).toEqual([1, 2]);
    leave(2);
    expect(await inside()).toEqual([1, 2, 3]);
    leave(1);
    expect(await inside()).toEqual([1, 2, 3, 4]);
  });

  it('lets in as many within any minute as are allowed', async () => {
    const { ask, inside, clock } = setUp({ perMinute: 2 });
    void ask(1);
    expect(await inside()).toEqual([1]);
    clock.move(40_000);
    void ask(3);
    expect(await inside()).toEqual([1, 2]);
    clock.move(19_999);
    expect(await inside()).toEqual([1, 2]);
    clock.move(1);
    expect(await inside()).toEqual([1, 2, 3]);
    clock.move(40_000);
    expect(await inside()).toEqual([1, 2, 3, 4]);
  });

  it('holds all calls during a pause; then one goes first, and each picture doubles how many go at once', async () => {
    const { ask, inside, clock, throttle, leave } = setUp();
    throttle.pause(7000);
    void ask(8);
    clock.move(6999);
    expect([throttle.pausedMs(), await inside()]).toEqual([1, []]);
    clock.move(1);
    expect(await inside()).toEqual([1]);
    throttle.succeeded();
    leave(1);
    expect(await inside()).toEqual([1, 2, 3]);
    throttle.succeeded();
    leave(2);
    expect(await inside()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it.each([
    ['a year', 365 * 86_400_000, 300_000],
    ['infinity', Number.POSITIVE_INFINITY, 300_000],
    ['less than nothing', -5000, 0],
    ['less than it is paused for already', 10, 10],
  ])('asked to pause for %s', async (_, ms, expected) => {
    const { throttle } = setUp();
    throttle.pause(ms);
    expect(throttle.pausedMs()).toBe(expected);
  });

  it('keeps the longer of two pauses, and forgets one when the clock is set back', () => {
    const { throttle, clock } = setUp();
    throttle.pause(20_000);
    throttle.pause(5000);
    expect(throttle.pausedMs()).toBe(20_000);
    clock.move(-3_600_000);
    expect(throttle.pausedMs()).toBe(0);
  });

  it('lets those who wait give up, and the others pass them', async () => {
    const { ask, inside, throttle, clock } = setUp();
    const impatient = new AbortController();
    throttle.pause(7000);
    const given = ask(1, impatient.signal);
    void ask(1);
    impatient.abort(new Error('left'));
    await expect(given).rejects.toThrow('left');
    clock.move(7000);
    expect(await inside()).toEqual([2]);
  });
});
