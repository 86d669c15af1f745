import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../../src/core/domain/image.ts';
import { type Answer, setUpCalls } from './calls.ts';

const ONE_ATTEMPT = { maxAttempts: 1 };
const failedCall = { outcome: 'failed', durationMs: 100 } as const;
const earlierCall = (provider: string, run = 1) => ({ provider, run }) as Attempt;

describe('the retry budget', () => {
  it('delays the retries of a job that fails alone, and never fails it early', async () => {
    const calls = setUpCalls({ retriesPerMinute: 1 });
    calls.answer = () => 'overloaded';
    const job = await calls.start('a');
    await calls.seconds(200);
    expect(job.calls.map(([, second]) => second)).toEqual([0, 1, 61, 121]);
    expect([job.end, job.endedAt]).toEqual(['overloaded', 121]);
    expect(calls.breaker().openedBy()).toBeNull();
  });

  it('delays no retry beyond the deadline, which ends the job with its own failure', async () => {
    const calls = setUpCalls({ retriesPerMinute: 1, deadlineMs: 50_000 });
    calls.answer = () => 'rate_limited';
    const job = await calls.start('a');
    await calls.seconds(51);
    expect([job.end, job.endedAt, job.calls.length]).toEqual(['rate_limited', 50, 2]);
  });

  it('keeps a job with its provider: the next one is called when the attempts are spent', async () => {
    const calls = setUpCalls({ retriesPerMinute: 1, maxAttempts: 3, providers: ['first', 'second'] });
    calls.answer = (provider) => (provider === 'first' ? 'overloaded' : 'picture');
    const job = await calls.start('a');
    await calls.seconds(70);
    expect([job.end, job.calls]).toEqual([
      'picture',
      [
        ['first', 0],
        ['first', 1],
        ['first', 61],
        ['second', 61],
      ],
    ]);
  });

  it.each([
    ['a retry is left where the provider works again', 'picture', 61],
    ['a probe brings a picture where it still fails', 'overloaded', 6],
  ] as const)('keeps two jobs that fail together with their provider, until %s', async (_, retried, at) => {
    const calls = setUpCalls({ retriesPerMinute: 1, providers: ['first', 'second'] });
    calls.answer = () => 'overloaded';
    const [a, b] = [await calls.start('a'), await calls.start('b')];
    calls.answer = () => retried;
    await calls.seconds(2);
    calls.answer = () => 'picture';
    await calls.seconds(at);
    expect([a.end, b.end]).toEqual(['picture', 'picture']);
    expect(b.calls.at(-1)).toEqual(['first', at]);
    expect([...a.calls, ...b.calls].filter(([provider]) => provider === 'second')).toEqual([]);
  });

  it('keeps no job with a provider that is down: after a failed probe, or with its breaker open', async () => {
    const calls = setUpCalls({ retriesPerMinute: 1, providers: ['first', 'second'] });
    calls.answer = (provider) => (provider === 'first' ? 'overloaded' : 'picture');
    const jobs = [await calls.start('a'), await calls.start('b'), await calls.start('c')];
    await calls.seconds(5);
    expect(jobs.map(({ end }) => end)).toEqual(['pending', 'pending', 'pending']);
    await calls.seconds(15);
    expect(calls.breaker('first').openedBy()).toBe('overloaded');
    expect(jobs.map(({ end }) => end)).toEqual(['picture', 'picture', 'picture']);
    expect(jobs.map(({ endedAt }) => endedAt).sort((a, b) => a - b)).toEqual([6, 16, 16]);
  });

  it('lets the next provider be called at once where no retry is left before the deadline', async () => {
    const calls = setUpCalls({ retriesPerMinute: 1, providers: ['first', 'second'], deadlineMs: 60_000 });
    calls.answer = (provider) => (provider === 'first' ? 'rate_limited' : 'picture');
    const job = await calls.start('a');
    await calls.seconds(1);
    expect([job.end, job.calls.map(([provider]) => provider)]).toEqual(['picture', ['first', 'first', 'second']]);
  });

  it('keeps no job waiting after an outage: a probe shows its end', async () => {
    const calls = setUpCalls({ retriesPerMinute: 1 });
    calls.answer = () => 'overloaded';
    const jobs = [await calls.start('a'), await calls.start('b'), await calls.start('c')];
    await calls.seconds(4);
    expect(calls.log).toHaveLength(4);
    calls.answer = () => 'picture';
    await calls.seconds(3);
    expect(jobs.map(({ end }) => end)).toEqual(['picture', 'picture', 'picture']);
  });

  it('counts a job once for the breaker, however often it has to wait', async () => {
    const calls = setUpCalls({ retriesPerMinute: 1, maxAttempts: 8, deadlineMs: 3_600_000 });
    calls.answer = () => 'overloaded';
    const job = await calls.start('a');
    await calls.seconds(400);
    expect(job.calls).toHaveLength(8);
    expect(calls.breaker().openedBy()).toBeNull();
  });
});

describe('several providers', () => {
  const providers = ['first', 'second'];

  it('are not called after the deadline: what the first has used up is not left for the second', async () => {
    const calls = setUpCalls({ ...ONE_ATTEMPT, providers, deadlineMs: 10_000 });
    const slow = Promise.withResolvers<'overloaded'>();
    calls.answer = () => slow.promise;
    const job = await calls.start('a');
    await calls.seconds(11);
    slow.resolve('overloaded');
    await calls.seconds(1);
    expect([job.end, job.calls]).toEqual(['overloaded', [['first', 0]]]);
  });

  it('are not waited for after the deadline, though they are paused', async () => {
    const calls = setUpCalls({ ...ONE_ATTEMPT, providers, deadlineMs: 10_000 });
    calls.pause('second', 200);
    const slow = Promise.withResolvers<'overloaded'>();
    calls.answer = () => slow.promise;
    const job = await calls.start('a');
    await calls.seconds(11);
    slow.resolve('overloaded');
    await calls.seconds(1);
    expect(job.end).toBe('overloaded');
  });

  it('are not called where their pause has outlasted the deadline, first call or retry', async () => {
    const calls = setUpCalls({ providers: ['first'], deadlineMs: 10_000 });
    calls.answer = () => 'overloaded';
    const retried = await calls.start('retried');
    calls.pause('first', 20);
    await calls.seconds(21);
    expect([retried.end, retried.calls.length]).toEqual(['overloaded', 1]);

    calls.answer = () => 'account';
    await calls.start('met it');
    calls.answer = () => 'picture';
    const waiting = await calls.start('waiting');
    calls.pause('first', 20);
    await calls.seconds(21);
    expect([waiting.end, waiting.calls.length]).toEqual(['provider_unavailable', 0]);
  });

  it('are called to the end of the deadline', async () => {
    const calls = setUpCalls({ ...ONE_ATTEMPT, providers, deadlineMs: 10_000 });
    const slow = Promise.withResolvers<'overloaded'>();
    calls.answer = (provider) => (provider === 'first' ? slow.promise : 'picture');
    const job = await calls.start('a');
    await calls.seconds(10);
    slow.resolve('overloaded');
    await calls.seconds(0);
    expect([job.end, job.calls.length]).toEqual(['picture', 2]);
  });

  it('share the limit on unknown outcomes', async () => {
    const calls = setUpCalls({ ...ONE_ATTEMPT, providers: ['first', 'second', 'third'] });
    calls.answer = () => 'gateway';
    const job = await calls.start('a');
    await calls.seconds(10);
    expect([job.end, job.calls.map(([provider]) => provider)]).toEqual(['gateway', ['first', 'second']]);
  });

  it('make a job wait only where none can be called, which then goes on with the first that can', async () => {
    const calls = setUpCalls({ providers });
    calls.answer = () => 'account';
    expect((await calls.start('met both')).calls).toHaveLength(2);
    calls.answer = (provider) => (provider === 'first' ? 'overloaded' : 'picture');
    const job = await calls.start('a');
    await calls.seconds(6);
    expect([job.end, job.calls]).toEqual([
      'picture',
      [
        ['first', 5],
        ['second', 5],
      ],
    ]);
    expect([calls.breaker('first').openedBy(), calls.breaker('second').openedBy()]).toEqual(['overloaded', null]);
    expect((await calls.start('b')).calls).toEqual([['second', 6]]);
  });

  it('are not kept from being probed by a job that calls another one', async () => {
    const calls = setUpCalls({ providers });
    calls.answer = () => 'account';
    await calls.start('met both');
    const hanging = Promise.withResolvers<'picture'>();
    calls.answer = (provider, job) => (job === 'a' && provider === 'first' ? hanging.promise : 'picture');
    const [a, b] = [await calls.start('a'), await calls.start('b')];
    await calls.seconds(6);
    expect([a.calls, b.calls]).toEqual([[['first', 5]], [['second', 5]]]);
    hanging.resolve('picture');
    await calls.seconds(1);
    expect([a.end, b.end]).toEqual(['picture', 'picture']);
  });

  it('do not help a refused prompt', async () => {
    const calls = setUpCalls({ providers });
    calls.answer = () => 'refused';
    const job = await calls.start('a');
    expect([job.end, job.calls.length]).toEqual(['refused', 1]);
  });
});

describe('a refusal of streaming', () => {
  it('is followed by one call at once, which counts neither as an attempt nor as a retry', async () => {
    const calls = setUpCalls({ ...ONE_ATTEMPT, retriesPerMinute: 1, providers: ['first', 'second'] });
    const answers = ['parameter_refused', 'picture'] as const;
    let call = 0;
    calls.answer = () => answers[call++] ?? 'rejected';
    const job = await calls.start('a');
    expect([job.end, job.calls.map(([provider]) => provider)]).toEqual(['picture', ['first', 'first']]);
    expect(calls.retries).toBe(0);
  });

  it('leaves all attempts and retries to the call that follows', async () => {
    const calls = setUpCalls({ maxAttempts: 3, retriesPerMinute: 2 });
    let call = 0;
    calls.answer = () => (call++ === 0 ? 'parameter_refused' : 'overloaded');
    const job = await calls.start('a');
    await calls.seconds(5);
    expect([job.end, job.calls.length, calls.retries]).toEqual(['overloaded', 4, 2]);
  });

  it('ends the job when it comes again, and says nothing against the provider', async () => {
    const calls = setUpCalls({ providers: ['first', 'second'] });
    calls.answer = () => 'parameter_refused';
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const job = await calls.start(name);
      expect([job.end, job.calls.map(([provider]) => provider)]).toEqual(['parameter_refused', ['first', 'first']]);
    }
    expect(calls.breaker().openedBy()).toBeNull();
  });

  it('is allowed once more in a new round', async () => {
    const calls = setUpCalls({ retriesPerMinute: 100 });
    const answers: Answer[] = ['parameter_refused', ...Array(4).fill('overloaded'), 'parameter_refused'];
    calls.answer = (_, job) => {
      if (job === 'a') return answers.shift() ?? 'picture';
      return job === 'works' ? 'picture' : 'overloaded';
    };
    const job = await calls.start('a');
    await calls.start('other');
    await calls.seconds(4);
    expect(job.calls).toHaveLength(5);
    await calls.start('works');
    await calls.seconds(2);
    expect([job.end, job.calls.length]).toEqual(['picture', 7]);
  });

  it('is followed by a call in a probe, too, but not after the job was stopped', async () => {
    const calls = setUpCalls();
    calls.answer = () => 'account';
    await calls.start('met it');
    let call = 0;
    calls.answer = () => (call++ === 0 ? 'parameter_refused' : 'picture');
    const probe = await calls.start('a');
    await calls.seconds(6);
    expect([probe.end, probe.calls.length]).toEqual(['picture', 2]);

    const hanging = Promise.withResolvers<'parameter_refused'>();
    calls.answer = () => hanging.promise;
    const stopped = await calls.start('b');
    stopped.aborted.abort(new Error('stopped'));
    hanging.resolve('parameter_refused');
    await calls.seconds(1);
    expect([stopped.end, stopped.calls.length]).toEqual(['Error: stopped', 1]);
  });
});

describe('a provider that turns out not to edit', () => {
  it('leaves the picture to the next one, and nothing is said against it', async () => {
    const calls = setUpCalls({ providers: ['first', 'second', 'third'] });
    calls.answer = (provider) => (provider === 'third' ? 'picture' : 'edits_refused');
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const job = await calls.start(name);
      expect([job.end, job.calls.map(([provider]) => provider)]).toEqual(['picture', ['first', 'second', 'third']]);
    }
    expect([calls.breaker().openedBy(), calls.retries]).toEqual([null, 0]);
  });

  it('ends the job where there is no other, and is not called twice', async () => {
    const calls = setUpCalls();
    calls.answer = () => 'edits_refused';
    const job = await calls.start('a');
    expect([job.end, job.calls.length]).toEqual(['edits_refused', 1]);
  });
});

describe('refusals of several parameters', () => {
  it('are each followed by one call at once, up to six', async () => {
    const calls = setUpCalls({ ...ONE_ATTEMPT, retriesPerMinute: 1 });
    for (const [lacking, end] of [
      [6, 'picture'],
      [7, 'parameter_refused'],
    ] as const) {
      let call = 0;
      calls.answer = () => (call++ < lacking ? { fault: 'parameter_refused', parameter: `p${call}` } : 'picture');
      const job = await calls.start(`lacks ${lacking}`);
      expect([job.end, job.calls.length]).toEqual([end, 7]);
    }
    expect(calls.retries).toBe(0);
  });
});

describe('a job of an earlier process', () => {
  it('has the attempts left that its round had', async () => {
    const calls = setUpCalls();
    calls.answer = () => 'overloaded';
    const job = await calls.start('a', { earlier: [earlierCall('first'), earlierCall('other'), earlierCall('first')] });
    await calls.seconds(10);
    expect(job.calls).toHaveLength(2);
    const rerun = await calls.start('b', { earlier: [earlierCall('first', 0), earlierCall('first')] });
    await calls.seconds(10);
    expect(rerun.calls).toHaveLength(3);
  });

  it('has a new round where its last one was spent: it was waiting', async () => {
    const calls = setUpCalls();
    calls.answer = () => 'overloaded';
    const job = await calls.start('a', { earlier: Array(4).fill(earlierCall('first')) });
    await calls.seconds(10);
    expect(job.calls).toHaveLength(4);
  });

  it('has not failed alone where another one that goes on failed there too', async () => {
    const calls = setUpCalls();
    calls.answer = () => 'unreachable';
    const requestedAt = calls.clock.now();
    await calls.seconds(10);
    const failed = (count: number): readonly Attempt[] =>
      Array(count).fill({
        ...earlierCall('first'),
        ...failedCall,
        startedAt: new Date(requestedAt + 5_000).toISOString(),
      });
    const never = new Promise<'picture'>(() => {});
    calls.answer = (_, job) => (job === 'slow' ? never : 'unreachable');
    await calls.start('slow', { requestedAt, earlier: failed(1) });
    const spent = await calls.start('spent', { requestedAt, earlier: failed(3) });
    const newer = await calls.start('newer', { earlier: failed(3) });
    await calls.seconds(1);
    expect([spent.end, spent.calls.length]).toEqual(['pending', 1]);
    // Requested after the others failed.
    expect([newer.end, newer.calls.length]).toEqual(['unreachable', 1]);
  });
});
