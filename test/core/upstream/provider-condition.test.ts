import { pino } from 'pino';
import { expect, it } from 'vitest';
import { ProviderError, type ProviderFault } from '../../../src/core/domain/errors.ts';
import { createCircuitBreaker } from '../../../src/core/upstream/circuit-breaker.ts';
import { conditionOf, createFailureNote } from '../../../src/core/upstream/provider-condition.ts';
import { createThrottle } from '../../../src/core/upstream/throttle.ts';
import { createUpstreams } from '../../../src/core/upstream/upstreams.ts';
import { createManualClock } from '../../support/test-clock.ts';
import { createFakeProvider } from './fake-provider.ts';

function setUp() {
  const clock = createManualClock();
  const parts = {
    breaker: createCircuitBreaker(clock),
    throttle: createThrottle({ concurrency: null, perMinute: null }, clock),
  };
  const start = clock.now();
  const at = (seconds: number) => new Date(start + seconds * 1_000).toISOString();
  return { clock, ...parts, at, condition: () => conditionOf(parts, clock) };
}

it('is closed, open until the next probe, half open while a probe is under way, and closed again', () => {
  const { clock, breaker, at, condition } = setUp();
  expect(condition()).toEqual({ state: 'closed', since: at(0), until: null });
  clock.move(1_000);
  breaker.jobEnded('call', 'account');
  expect(condition()).toEqual({ state: 'open', since: at(1), until: at(6) });
  clock.move(5_000);
  expect(condition()).toEqual({ state: 'open', since: at(1), until: null });
  clock.move(2_000);
  expect(breaker.admit()).toBe('probe');
  clock.move(1_000);
  expect(condition()).toEqual({ state: 'half_open', since: at(8), until: null });
  breaker.jobEnded('probe', 'timeout');
  expect(condition()).toEqual({ state: 'open', since: at(1), until: at(18) });
  clock.move(9_000);
  expect(breaker.admit()).toBe('probe');
  breaker.jobEnded('probe', 'made');
  expect(condition()).toEqual({ state: 'closed', since: at(18), until: null });
});

it('is half open until the last of several probes has ended', () => {
  const { clock, breaker, condition } = setUp();
  breaker.jobEnded('call', 'account');
  for (const waitMs of [5_000, 10_000]) {
    clock.move(waitMs);
    expect(breaker.admit()).toBe('probe');
  }
  breaker.jobEnded('probe', 'unclear');
  expect(condition().state).toBe('half_open');
  breaker.jobEnded('probe', 'unclear');
  expect(condition().state).toBe('open');
});

it('is paused until the pause ends, which may be put off, and closed since then', () => {
  const { clock, breaker, throttle, at, condition } = setUp();
  clock.move(1_000);
  throttle.pause(10_000);
  clock.move(2_000);
  throttle.pause(20_000);
  expect(condition()).toEqual({ state: 'paused', since: at(1), until: at(23) });
  clock.move(30_000);
  expect(condition()).toEqual({ state: 'closed', since: at(23), until: null });
  throttle.pause(5_000);
  expect(condition()).toEqual({ state: 'paused', since: at(33), until: at(38) });
  breaker.jobEnded('call', 'account');
  expect(condition().state).toBe('open');
});

it('has the latest failed call that says something about the provider, as it may be logged', async () => {
  const clock = createManualClock();
  const failures = createFailureNote(clock);
  const fail = async (fault: ProviderFault, detail: string, options = {}) => {
    const provider = createFakeProvider(async () => {
      throw new ProviderError(fault, detail, options);
    });
    await expect(failures.watch(provider).generate({} as never, {} as never)).rejects.toThrow(detail);
  };
  for (const fault of ['refused', 'rejected', 'parameter_refused', 'edits_refused', 'cancelled'] as const)
    await fail(fault, 'of the request');
  await fail('interrupted', 'a thread died', { isOurs: true });
  expect(failures.last()).toBeNull();
  await fail('timeout', 'no answer for "a secret prompt"', { reason: 'no answer' });
  const at = new Date(clock.now()).toISOString();
  expect(failures.last()).toEqual({ fault: 'timeout', detail: 'no answer', at });
  await fail('gateway', 'x'.repeat(1_000));
  expect(failures.last()?.detail).toBe(`${'x'.repeat(300)}…`);
});

it('comes with the name, the limits and the model of each provider', () => {
  const clock = createManualClock();
  const provider = createFakeProvider(async () => {
    throw new ProviderError('timeout', 'no answer');
  });
  const limits = { concurrency: 2, perMinute: null };
  const upstreams = createUpstreams([{ provider, limits }], clock, pino({ level: 'silent' }));
  expect(upstreams.conditions('house')).toEqual([
    {
      name: 'fake',
      model: 'house',
      state: 'closed',
      since: new Date(clock.now()).toISOString(),
      until: null,
      ...limits,
      lastError: null,
    },
  ]);
});
