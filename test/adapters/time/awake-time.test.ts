import { describe, expect, it } from 'vitest';
import { startAwakeTimeout } from '../../../src/adapters/time/awake-time.ts';
import { createTimers } from '../../support/test-timers.ts';

function start(ms: number) {
  const clock = createTimers();
  let ended = 0;
  const onTimeout = () => {
    ended += 1;
  };
  const stop = startAwakeTimeout(ms, onTimeout, clock.timers);
  return { clock, stop, ended: () => ended };
}

describe('startAwakeTimeout', () => {
  it.each([1, 300, 1000, 4500, 120_000])('ends after %d ms, not before, and once', (ms) => {
    const { clock, ended } = start(ms);
    clock.awake(ms - 1);
    expect(ended()).toBe(0);
    clock.awake(1);
    expect(ended()).toBe(1);
    clock.awake(10 * ms);
    expect([ended(), clock.isRunning]).toEqual([1, false]);
  });

  it('does not count the time in which the process was suspended', () => {
    const { clock, ended } = start(10_000);
    clock.awake(4_000);
    clock.suspended(3_600_000);
    clock.awake(4_999);
    expect(ended()).toBe(0);
    clock.awake(2_000);
    expect(ended()).toBe(1);
  });

  it.each([9_999, 9_500, 9_001, 200])('leaves a second after a suspension with %d of 10,000 ms spent', (spentMs) => {
    const { clock, ended } = start(10_000);
    clock.awake(spentMs);
    clock.suspended(31_000);
    clock.awake(999);
    expect(ended()).toBe(0);
    clock.awake(10_000);
    expect(ended()).toBe(1);
  });

  it('outlives any number of suspensions', () => {
    const { clock, ended } = start(500);
    for (let time = 0; time < 50; time += 1) {
      clock.suspended(5_000);
      clock.awake(100);
      expect(ended()).toBe(0);
    }
    clock.awake(1_000);
    expect(ended()).toBe(1);
  });

  it('ends on a busy machine, whose timers are somewhat late', () => {
    const { clock, ended } = start(10_000);
    clock.awake(15_000, 400);
    expect(ended()).toBe(1);
  });

  it('does not end once it was stopped', () => {
    const { clock, stop, ended } = start(3_000);
    clock.awake(2_500);
    stop();
    clock.awake(10_000);
    expect([ended(), clock.isRunning]).toEqual([0, false]);
  });
});
