import { describe, expect, test } from 'vitest';
import { type Attempt, canRunAgain, countedUnknowns, type Image } from '../../../../src/core/domain/image.ts';
import { rerun } from '../../../../src/core/domain/life-cycle/transitions.ts';
import { AGAIN, attemptOf, imageIn, originalOf } from './example-changes.ts';

describe('an equal request', () => {
  const end = (id: string, run: number, outcome: Attempt['outcome']) => attemptOf(id, run, { outcome, durationMs: 5 });
  const failedAfter = (attempts: readonly Attempt[], change: Partial<Image> = {}): Image => ({
    ...imageIn('failed'),
    original: null,
    run: 3,
    attempts,
    ...change,
  });
  const rejected = { ...originalOf('a'), sound: false };
  const refusal = { error: { code: 'prompt_rejected', detail: 'no' } };

  test.each<[string, Image, boolean]>([
    ['a failure before any call', failedAfter([]), true],
    ['calls that were not billed', failedAfter([end('a', 1, 'failed'), end('b', 3, 'failed')]), true],
    [
      'a call that was cancelled in an earlier run',
      failedAfter([end('a', 1, 'cancelled'), end('b', 2, 'failed')]),
      true,
    ],
    ['a call of unknown outcome', failedAfter([end('a', 3, 'unknown'), end('b', 3, 'failed')]), false],
    ['one in an earlier run', failedAfter([end('a', 1, 'unknown'), end('b', 3, 'failed')]), false],
    ['one before an allowance of its own', failedAfter([end('a', 1, 'unknown')], { allowanceFrom: 2 }), true],
    ['one in the run of the allowance', failedAfter([end('a', 2, 'unknown')], { allowanceFrom: 2 }), false],
    ['a call whose process died', failedAfter([attemptOf('a', 3)]), false],
    ['a picture that was no good', failedAfter([end('a', 3, 'ok')], { original: rejected }), false],
    ['a sound original', failedAfter([end('a', 3, 'ok')], { original: originalOf('a') }), true],
    [
      'a sound original and unknown outcomes',
      failedAfter([end('a', 3, 'unknown')], { original: originalOf('a') }),
      true,
    ],
    ['a refused prompt', failedAfter([end('a', 3, 'failed')], refusal), false],
    ['a refusal before an allowance of its own', failedAfter([], { ...refusal, allowanceFrom: 3 }), false],
    ['a cancel, whatever was called', { ...failedAfter([end('a', 3, 'unknown')], refusal), status: 'cancelled' }, true],
    ['success', imageIn('succeeded'), false],
    ['an unfinished call', imageIn('generating'), false],
  ])('after %s: runs again %s', (_what, image, runsAgain) => {
    expect(canRunAgain(image)).toBe(runsAgain);
    expect(rerun(image, AGAIN) !== null).toBe(runsAgain);
  });

  test('counts calls of unknown outcome over all runs, from the latest that had an allowance of its own', () => {
    const attempts = [
      ...[end('a', 1, 'unknown'), end('b', 1, 'failed')],
      ...[attemptOf('c', 2), end('d', 2, 'cancelled')],
      ...[end('e', 3, 'unknown'), end('f', 3, 'ok')],
    ];
    const counts = [1, 2, 3, 4].map((allowanceFrom) => countedUnknowns(failedAfter(attempts, { allowanceFrom })));
    expect(counts).toEqual([3, 2, 1, 0]);
  });
});
