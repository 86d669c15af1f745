import { describe, expect, it } from 'vitest';
import { createProbeLine } from '../../../../src/core/upstream/outage/probe-line.ts';

describe('the line of jobs that wait to probe', () => {
  it('is joined at its end, by each job once', () => {
    const line = createProbeLine();
    const [a, b] = [Symbol('a'), Symbol('b')];
    for (const job of [a, b, a]) line.join(job);
    expect([line.isFirst(a), line.isFirst(b)]).toEqual([true, false]);
    line.leave(a);
    line.join(a);
    expect([line.isFirst(a), line.isFirst(b)]).toEqual([false, true]);
  });

  it('says with a signal that a job has joined or left, and only then', () => {
    const line = createProbeLine();
    const job = Symbol();
    for (const [change, isChange] of [
      [() => line.leave(job), false],
      [() => line.join(job), true],
      [() => line.join(job), false],
      [() => line.leave(job), true],
    ] as const) {
      const { changed } = line;
      change();
      expect([changed.aborted, line.changed.aborted]).toEqual([isChange, false]);
    }
  });
});
