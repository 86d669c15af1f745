import { setImmediate as settled } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type {
  CallLimits,
  CallLimitsListener,
  SharedCallLimits,
  Turn,
} from '../../../src/core/ports/shared-call-limits.ts';
import { createThrottle } from '../../../src/core/upstream/throttle.ts';
import { createManualClock } from '../../support/test-clock.ts';

/** Calls are numbered in the order in which they ask for a slot. */
function setUp(limits: Partial<CallLimits> = {}) {
  const clock = createManualClock();
  const throttle = createThrottle({ concurrency: null, perMinute: null, ...limits }, clock);
  const began: number[] = [];
  const slots: Disposable[] = [];
  let asked = 0;
  return {
    clock,
    throttle,
    /** The calls that have got a slot so far. */
    async begun() {
      await settled();
      return [...began];
    },
    ask(count: number, signal = new AbortController().signal) {
      return Promise.all(
        Array.from({ length: count }, async () => {
          const number = ++asked;
          slots[number] = await throttle.acquire(signal);
          began.push(number);
        }),
      );
    },
    end: (number: number) => slots[number]?.[Symbol.dispose](),
  };
}

describe('the throttle', () => {
  it('delays no call without limits', async () => {
    const { ask, begun } = setUp();
    void ask(100);
    expect(await begun()).toHaveLength(100);
  });

  it('begins as many calls at a time as are allowed, first in first out', async () => {
    const { ask, begun, end } = setUp({ concurrency: 2 });
    void ask(4);
    expect(await begun()).toEqual([1, 2]);
    end(2);
    expect(await begun()).toEqual([1, 2, 3]);
    end(1);
    expect(await begun()).toEqual([1, 2, 3, 4]);
  });

  it('begins as many calls within any minute as are allowed', async () => {
    const { ask, begun, clock } = setUp({ perMinute: 2 });
    void ask(1);
    expect(await begun()).toEqual([1]);
    clock.move(40_000);
    void ask(3);
    expect(await begun()).toEqual([1, 2]);
    clock.move(19_999);
    expect(await begun()).toEqual([1, 2]);
    clock.move(1);
    expect(await begun()).toEqual([1, 2, 3]);
    clock.move(40_000);
    expect(await begun()).toEqual([1, 2, 3, 4]);
  });

  it('holds all calls during a pause; then one goes first, and each picture doubles how many go at once', async () => {
    const { ask, begun, clock, throttle, end } = setUp();
    throttle.pause(7000);
    void ask(8);
    clock.move(6999);
    expect([throttle.pausedMs(), await begun()]).toEqual([1, []]);
    clock.move(1);
    expect(await begun()).toEqual([1]);
    throttle.succeeded();
    end(1);
    expect(await begun()).toEqual([1, 2, 3]);
    throttle.succeeded();
    end(2);
    expect(await begun()).toEqual([1, 2, 3, 4, 5, 6]);
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

  it.each([-3_600_000, 7_200_000])('keeps the longer of two pauses, also where the clock is set by %i ms', (step) => {
    const { throttle, clock } = setUp();
    throttle.pause(20_000);
    throttle.pause(5000);
    expect(throttle.pausedMs()).toBe(20_000);
    clock.step(step);
    expect(throttle.pausedMs()).toBe(20_000);
  });

  it('lets a waiting call be aborted, and begins the next one in its place', async () => {
    const { ask, begun, throttle, clock } = setUp();
    const leaving = new AbortController();
    throttle.pause(7000);
    const aborted = ask(1, leaving.signal);
    void ask(1);
    leaving.abort(new Error('left'));
    await expect(aborted).rejects.toThrow('left');
    clock.move(7000);
    expect(await begun()).toEqual([2]);
  });
});

describe('the throttle of one process among several', () => {
  /** What the other processes answer, one after the other; then there is always a place. */
  function setUpShared(...answers: (() => Promise<Turn>)[]) {
    const clock = createManualClock();
    const given = { places: 0, paused: [] as number[] };
    let listener: CallLimitsListener | null = null;
    const place = async (): Promise<Turn> => {
      given.places += 1;
      return {
        place: {
          [Symbol.dispose]() {
            given.places -= 1;
          },
        },
      };
    };
    const shared: SharedCallLimits = {
      tryBegin: () => (answers.shift() ?? place)(),
      pause: (ms) => void given.paused.push(ms),
      onChange(next) {
        listener = next;
      },
    };
    const throttle = createThrottle({ concurrency: 5, perMinute: null }, clock, shared);
    return { clock, given, throttle, place, others: listener as unknown as CallLimitsListener };
  }
  const signal = new AbortController().signal;

  it('waits for as long as the others say, or until a place is free, and gives its own back', async () => {
    const wait = async (): Promise<Turn> => ({ waitMs: 1_000, pausedMs: 0 });
    const { clock, given, throttle, others } = setUpShared(wait, wait);
    const call = throttle.acquire(signal);
    await settled();
    clock.move(1_000);
    await settled();
    expect(given.places).toBe(0);
    others.freed();
    const slot = await call;
    expect(given.places).toBe(1);
    slot[Symbol.dispose]();
    expect(given.places).toBe(0);
  });

  it('gives a place back where the caller left, or a pause began, while it was asked for', async () => {
    const answer = Promise.withResolvers<void>();
    const late = async () => {
      await answer.promise;
      return await scene.place();
    };
    const scene = setUpShared(late);
    const { clock, given, throttle } = scene;
    const leaving = new AbortController();
    const left = throttle.acquire(leaving.signal);
    const staying = throttle.acquire(signal);
    leaving.abort(new Error('left'));
    throttle.pause(7_000);
    answer.resolve();
    await expect(left).rejects.toThrow('left');
    await settled();
    expect(given).toEqual({ places: 0, paused: [7_000] });
    clock.move(7_000);
    (await staying)[Symbol.dispose]();
  });

  it('pauses with the others, starts slowly after it, and does not pass the pause on', async () => {
    const { clock, given, throttle, others } = setUpShared(async () => ({ waitMs: 9_000, pausedMs: 9_000 }));
    const calls = [throttle.acquire(signal), throttle.acquire(signal)];
    await settled();
    expect(throttle.pausedMs()).toBe(9_000);
    others.paused(20_000);
    others.paused(5_000);
    expect(throttle.pausedMs()).toBe(20_000);
    clock.move(20_000);
    await calls[0];
    await settled();
    expect(given).toEqual({ places: 1, paused: [] });
    throttle.succeeded();
    await calls[1];
  });
});
