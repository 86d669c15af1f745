import { describe, expect, it } from 'vitest';
import { createCircuitBreaker, type JobOutcome } from '../../../src/core/upstream/circuit-breaker.ts';
import { createManualClock } from '../../support/test-clock.ts';

const PROBE_ONLY = { probeOnly: true };

function setUp() {
  const clock = createManualClock();
  const breaker = createCircuitBreaker(clock);
  const jobs = (...outcomes: readonly JobOutcome[]) => {
    for (const outcome of outcomes) breaker.jobEnded('call', outcome);
  };
  return { clock, breaker, jobs };
}

describe('the circuit breaker', () => {
  it.each([
    ['four failed jobs', Array(4).fill('overloaded'), null],
    ['five in a row', Array(5).fill('overloaded'), 'overloaded'],
    ['five with a picture between', ['timeout', 'timeout', 'made', 'timeout', 'timeout', 'timeout'], null],
    ['five with refused prompts between', ['empty', 'unclear', 'empty', 'empty', 'unclear', 'empty', 'empty'], 'empty'],
    ['any number of refused prompts', Array(20).fill('unclear'), null],
    ['one account fault', ['account'], 'account'],
    [
      'five faults of different kinds',
      ['unreachable', 'timeout', 'empty', 'rate_limited', 'interrupted'],
      'interrupted',
    ],
  ] as const)('after %s', (_, outcomes: readonly JobOutcome[], openedBy) => {
    const { breaker, jobs } = setUp();
    jobs(...outcomes);
    expect(breaker.openedBy()).toBe(openedBy);
    expect(breaker.admit()).toBe(openedBy === null ? 'call' : null);
  });

  it('admits one probe after 5 s, and later ones after 10, 20 and then 30 s', () => {
    const { clock, breaker, jobs } = setUp();
    jobs('account');
    const probes: number[] = [];
    for (let second = 0; second <= 120; second++, clock.move(1000)) {
      const admission = breaker.admit();
      expect(breaker.admit()).toBeNull();
      if (admission === null) continue;
      expect(admission).toBe('probe');
      probes.push(second);
      breaker.jobEnded('probe', 'account');
    }
    expect(probes).toEqual([5, 15, 35, 65, 95]);
  });

  it('admits the next probe while one hangs, and gives the time until then', () => {
    const { clock, breaker, jobs } = setUp();
    jobs('account');
    expect(breaker.waitMs()).toBe(5000);
    clock.move(5000);
    expect([breaker.waitMs(), breaker.admit(), breaker.waitMs()]).toEqual([0, 'probe', 10_000]);
    clock.move(10_000);
    expect(breaker.admit()).toBe('probe');
  });

  it('closes with a picture, and counts failures from zero again', () => {
    const { clock, breaker, jobs } = setUp();
    jobs(...Array(5).fill('overloaded'));
    clock.move(5000);
    breaker.jobEnded(breaker.admit() ?? 'call', 'made');
    expect([breaker.openedBy(), breaker.admit()]).toEqual([null, 'call']);
    jobs(...Array(4).fill('overloaded'));
    expect(breaker.openedBy()).toBeNull();
  });

  it('stays open after an inconclusive probe, and admits the next one at once', () => {
    const { clock, breaker, jobs } = setUp();
    jobs('account');
    clock.move(5000);
    breaker.jobEnded(breaker.admit() ?? 'call', 'unclear');
    expect([breaker.openedBy(), breaker.admit()]).toEqual(['account', 'probe']);
  });

  it('does not postpone the probe for jobs that began before it opened, nor for a clock that is set', () => {
    const { clock, breaker, jobs } = setUp();
    jobs('account');
    clock.move(4000);
    jobs('timeout', 'unclear');
    expect(breaker.waitMs()).toBe(1000);
    clock.step(-3_600_000);
    expect(breaker.waitMs()).toBe(1000);
    clock.step(7_200_000);
    expect(breaker.admit()).toBeNull();
    clock.move(1000);
    expect(breaker.admit()).toBe('probe');
  });

  it('has a schedule of probes for a job that waits while it is closed, and lets others call', () => {
    const { clock, breaker } = setUp();
    breaker.beginProbes();
    expect([breaker.waitMs(PROBE_ONLY), breaker.admit(PROBE_ONLY), breaker.admit()]).toEqual([5000, null, 'call']);
    clock.move(5000);
    expect([breaker.admit(PROBE_ONLY), breaker.waitMs(PROBE_ONLY), breaker.waitMs()]).toEqual(['probe', 10_000, 0]);
  });

  it('opens in the schedule that has begun already', () => {
    const { clock, breaker, jobs } = setUp();
    breaker.beginProbes();
    clock.move(5000);
    breaker.jobEnded(breaker.admit(PROBE_ONLY) ?? 'call', 'overloaded');
    jobs(...Array(4).fill('overloaded'));
    expect([breaker.openedBy(), breaker.waitMs()]).toEqual(['overloaded', 10_000]);
  });

  it('says with a signal that a job has ended', () => {
    const { breaker, jobs } = setUp();
    const { changed } = breaker;
    jobs('overloaded');
    expect([changed.aborted, breaker.changed.aborted]).toEqual([true, false]);
  });
});
