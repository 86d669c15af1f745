import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../../src/core/domain/errors.ts';
import type { Attempt } from '../../../../src/core/domain/image.ts';
import { setUpCalls } from '../calls.ts';

describe('a job whose calls fail alone', () => {
  it('ends with its last failure after its attempts', async () => {
    const calls = setUpCalls();
    calls.answer = () => 'overloaded';
    const job = await calls.start('a');
    await calls.seconds(10);
    expect([job.end, job.calls.length]).toEqual(['overloaded', 4]);
  });

  it('does not wait because others failed before it was accepted', async () => {
    const calls = setUpCalls();
    calls.answer = () => 'unreachable';
    for (const name of ['a', 'b', 'c']) {
      const job = await calls.start(name);
      await calls.seconds(10);
      expect(job.end).toBe('unreachable');
    }
  });

  it('does not wait where another job had a picture since its own first call', async () => {
    const calls = setUpCalls();
    calls.answer = (_, job) => (job === 'lucky' ? 'picture' : 'overloaded');
    const unlucky = await calls.start('unlucky');
    await calls.start('lucky');
    const late = await calls.start('late');
    await calls.seconds(10);
    expect(unlucky.end).toBe('overloaded');
    expect(late.end).toBe('pending');
  });
});

describe('jobs whose calls fail together', () => {
  it.each(['rate_limited', 'timeout', 'gateway'] as const)(
    'do not wait after %s, which may be billed or no outage',
    async (fault) => {
      const calls = setUpCalls({ retriesPerMinute: 100, ambiguousRetries: 10 });
      calls.answer = () => fault;
      const [a, b] = [await calls.start('a'), await calls.start('b')];
      await calls.seconds(4);
      expect([a.end, b.end, a.calls.length, b.calls.length]).toEqual([fault, fault, 4, 4]);
    },
  );

  it('wait where they were never sent, and give the time of the next probe when they give up', async () => {
    const calls = setUpCalls({ deadlineMs: 12_000 });
    calls.answer = () => 'unreachable';
    const [a] = [await calls.start('a'), await calls.start('b')];
    await calls.seconds(13);
    // The first probe began at 8.5 s, the next would begin 10 s later.
    expect([a.end, (a.error as ImageError).retryAfterSeconds]).toEqual(['provider_unavailable', 7]);
    expect(calls.breaker().openedBy()).toBeNull();
  });

  it('do not wait because of a refused prompt of another job', async () => {
    const calls = setUpCalls();
    calls.answer = (_, job) => (job === 'a' ? 'overloaded' : 'refused');
    const a = await calls.start('a');
    await calls.start('b');
    await calls.seconds(4);
    expect(a.end).toBe('overloaded');
  });

  it('do not retry a probe, although the retry budget and their attempts have room for it', async () => {
    const calls = setUpCalls({ maxAttempts: 3, retriesPerMinute: 2 });
    calls.answer = () => 'overloaded';
    await calls.start('before');
    await calls.seconds(50);
    const both = Promise.withResolvers<'overloaded'>();
    calls.answer = () => both.promise;
    const [a, b] = [await calls.start('a'), await calls.start('b')];
    await calls.seconds(1);
    both.resolve('overloaded');
    await calls.seconds(20);
    expect([a.calls.map(([, second]) => second), b.calls.map(([, second]) => second)]).toEqual([
      [50, 56],
      [50, 66],
    ]);
  });

  it('wait, take turns as a probe on the schedule of the breaker, and begin new rounds when a picture has come', async () => {
    const calls = setUpCalls({ maxAttempts: 2 });
    calls.answer = () => 'overloaded';
    const [a, b, c] = [await calls.start('a'), await calls.start('b'), await calls.start('c')];
    await calls.seconds(3);
    expect(calls.breaker().openedBy()).toBeNull();
    const before = calls.log.length;
    await calls.seconds(97);
    const probes = calls.log.slice(before);
    expect(probes.map(([, second]) => second)).toEqual([6, 16, 36, 66, 96]);
    expect(probes.map(([job]) => job)).toEqual(['a', 'b', 'c', 'a', 'b']);

    calls.answer = () => 'picture';
    await calls.seconds(30);
    expect([a.end, b.end, c.end]).toEqual(['picture', 'picture', 'picture']);
    expect(calls.log.slice(before + 5).map(([, second]) => second)).toEqual([126, 126, 126]);
  });

  it('begin a new round in each outage: failures before a picture count no more', async () => {
    const calls = setUpCalls({ retriesPerMinute: 100 });
    calls.answer = (_, job) => (job === 'c' ? 'picture' : 'overloaded');
    const [a, b] = [await calls.start('a'), await calls.start('b')];
    await calls.seconds(4);
    expect([a.calls.length, b.calls.length]).toEqual([4, 4]);
    for (const name of ['c', 'd', 'e', 'f']) await calls.start(name);
    await calls.seconds(4);
    expect([a.calls.length, b.calls.length]).toEqual([8, 8]);
    expect([a.end, b.end]).toEqual(['pending', 'pending']);
    // Five jobs have failed since the picture, these two among them.
    expect(calls.breaker().openedBy()).toBe('overloaded');
  });

  it('count as one failed job each, and a failed probe as one more', async () => {
    const calls = setUpCalls({ retriesPerMinute: 100 });
    calls.answer = () => 'overloaded';
    for (const name of ['a', 'b', 'c', 'd']) await calls.start(name);
    await calls.seconds(8);
    expect(calls.breaker().openedBy()).toBeNull();
    await calls.seconds(1);
    expect(calls.breaker().openedBy()).toBe('overloaded');
  });

  it('fail `provider_unavailable` at the deadline, with Retry-After', async () => {
    const calls = setUpCalls({ deadlineMs: 100_000 });
    calls.answer = () => 'overloaded';
    const [a, b] = [await calls.start('a'), await calls.start('b')];
    await calls.seconds(99);
    expect([a.end, b.end]).toEqual(['pending', 'pending']);
    await calls.seconds(2);
    expect([a.end, b.end]).toEqual(['provider_unavailable', 'provider_unavailable']);
    expect([a.endedAt, b.endedAt]).toEqual([100, 100]);
    expect(a.error).toBeInstanceOf(ImageError);
    expect((a.error as ImageError).retryAfterSeconds).toBeGreaterThanOrEqual(1);
    expect((a.error as ImageError).retryAfterSeconds).toBeLessThanOrEqual(30);
    expect((a.error as ImageError).message).toContain('first: overloaded');
  });
});

describe('a job that finds the breaker open', () => {
  it('waits from then until the deadline without a call where others probe in vain', async () => {
    const calls = setUpCalls({ deadlineMs: 20_000 });
    calls.answer = () => 'account';
    expect((await calls.start('met it')).end).toBe('account');
    const a = await calls.start('a');
    const b = await calls.start('b');
    await calls.seconds(10);
    const late = await calls.start('late');
    await calls.seconds(11);
    expect([a.calls.length, b.calls.length, late.calls.length]).toEqual([1, 1, 0]);
    expect([a.end, b.end, late.end]).toEqual(['provider_unavailable', 'provider_unavailable', 'pending']);
    await calls.seconds(10);
    expect([late.end, late.endedAt]).toEqual(['provider_unavailable', 30]);
  });

  it.each([
    ['nothing was sent or paid', []],
    ['no call was made now, and none before was billed', ['failed', 'failed']],
    ['no call was made now, but an earlier one may have been billed', ['failed', 'unknown']],
    ['no call was made now, but an earlier one may have been billed', ['cancelled', 'failed']],
    ['no call was made now, but an earlier one may have been billed', ['ok']],
  ] as const)('says at the deadline, without a call of its own, that %s after %j', async (known, outcomes) => {
    const calls = setUpCalls({ deadlineMs: 4_000 });
    calls.answer = () => 'account';
    await calls.start('met it');
    // Of an earlier run.
    const earlier = outcomes.map((outcome) => ({ provider: 'first', run: 0, outcome }) as Attempt);
    const job = await calls.start('a', { earlier });
    await calls.seconds(5);
    expect([job.calls, (job.error as Error).message]).toEqual([
      [],
      `no provider worked before the deadline (first); ${known}`,
    ]);
  });

  it('goes on when its own probe brings a picture, and so do the others', async () => {
    const calls = setUpCalls();
    calls.answer = () => 'account';
    await calls.start('met it');
    calls.answer = () => 'picture';
    const [a, b] = [await calls.start('a'), await calls.start('b')];
    await calls.seconds(4);
    expect(calls.log).toHaveLength(1);
    await calls.seconds(2);
    expect([a.end, b.end, a.endedAt, b.endedAt]).toEqual(['picture', 'picture', 5, 5]);
  });

  it('probes at once after an inconclusive probe', async () => {
    const calls = setUpCalls();
    calls.answer = () => 'account';
    await calls.start('met it');
    calls.answer = (_, job) => (job === 'a' ? 'refused' : 'picture');
    const [a, b] = [await calls.start('a'), await calls.start('b')];
    await calls.seconds(6);
    expect([a.end, b.end]).toEqual(['refused', 'picture']);
    expect([a.calls, b.calls]).toEqual([[['first', 5]], [['first', 5]]]);
  });

  it('does not wait where its own call has met the account fault, too', async () => {
    const calls = setUpCalls();
    const both = Promise.withResolvers<'account'>();
    calls.answer = () => both.promise;
    const [a, b] = [await calls.start('a'), await calls.start('b')];
    both.resolve('account');
    await calls.seconds(1);
    expect([a.end, b.end]).toEqual(['account', 'account']);
  });

  it('while it waits for a retry, makes none, but waits for the end of the outage', async () => {
    const calls = setUpCalls();
    calls.answer = (_, job) => (job === 'a' ? 'rate_limited' : 'account');
    const job = await calls.start('a');
    await calls.start('met it');
    await calls.seconds(4);
    expect([job.end, job.calls.length]).toEqual(['pending', 1]);
    calls.answer = () => 'picture';
    await calls.seconds(2);
    expect([job.end, job.endedAt]).toEqual(['picture', 5]);
  });

  it('while the retry budget delays it, goes on with the end of the outage', async () => {
    const calls = setUpCalls({ retriesPerMinute: 1 });
    calls.answer = (_, job) => (job === 'a' ? 'rate_limited' : 'account');
    const job = await calls.start('a');
    await calls.seconds(1);
    await calls.start('met it');
    calls.answer = () => 'picture';
    await calls.seconds(6);
    expect([job.end, job.endedAt]).toEqual(['picture', 6]);
  });

  it('goes on to the next provider at once where others have found the first down during its call', async () => {
    const calls = setUpCalls({ providers: ['first', 'second'] });
    const slow = Promise.withResolvers<'overloaded'>();
    calls.answer = (provider, job) => (provider === 'second' ? 'picture' : job === 'a' ? slow.promise : 'account');
    const job = await calls.start('a');
    await calls.start('met it');
    slow.resolve('overloaded');
    await calls.seconds(0);
    expect(job.end).toBe('picture');
  });

  it('is not kept from probing by a job whose wait has ended', async () => {
    const calls = setUpCalls();
    calls.answer = () => 'account';
    await calls.start('met it');
    calls.answer = () => 'picture';
    const a = await calls.start('a');
    const b = await calls.start('b');
    a.aborted.abort(new Error('cancelled'));
    await calls.seconds(6);
    expect([a.end, a.calls.length]).toEqual(['Error: cancelled', 0]);
    expect([b.end, b.endedAt]).toEqual(['picture', 5]);
  });

  it('does not wait out more calls of unknown outcome than are allowed', async () => {
    const calls = setUpCalls({ ambiguousRetries: 1 });
    calls.answer = () => 'account';
    await calls.start('met it');
    calls.answer = () => 'timeout';
    const job = await calls.start('a');
    await calls.seconds(100);
    expect([job.end, job.calls.length]).toEqual(['timeout', 2]);
    const resumed = await calls.start('b', { unknownBefore: 1 });
    await calls.seconds(100);
    expect([resumed.end, resumed.calls.length]).toEqual(['timeout', 1]);
    expect((await calls.start('c', { unknownBefore: 2 })).end).toBe('interrupted');
  });
});
