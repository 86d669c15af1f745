import { expect, it } from 'vitest';
import { createRunningCalls } from '../../../src/core/pipeline/running-calls.ts';

it('counts each call from its beginning to its end, and tells of both', () => {
  const calls = createRunningCalls();
  const told: number[] = [];
  const unsubscribe = calls.onChange((count) => void told.push(count));
  {
    using _a = calls.begin('a');
    expect([calls.has('a'), calls.has('b'), calls.count()]).toEqual([true, false, 1]);
    using _b = calls.begin('b');
    expect(calls.count()).toBe(2);
  }
  unsubscribe();
  calls.begin('c');
  expect([calls.has('a'), calls.count(), told]).toEqual([false, 1, [1, 2, 1, 0]]);
});

it('has ended when the last call has, and at once where none is out', async () => {
  const calls = createRunningCalls();
  await calls.ended();
  const first = calls.begin('a');
  const second = calls.begin('b');
  let hasEnded = false;
  const ended = calls.ended().then(() => {
    hasEnded = true;
  });
  first[Symbol.dispose]();
  await Promise.resolve();
  await Promise.resolve();
  expect(hasEnded).toBe(false);
  second[Symbol.dispose]();
  await ended;
});
