import { expect, it } from 'vitest';
import { createOutageEvidence } from '../../../../src/core/upstream/outage/outage-evidence.ts';
import { createManualClock } from '../../../support/test-clock.ts';

it('failed calls of other jobs are remembered until a picture comes', () => {
  const clock = createManualClock();
  const evidence = createOutageEvidence(clock);
  const [a, b, c] = [Symbol('a'), Symbol('b'), Symbol('c')];
  const before = clock.monotonic() - 1;
  for (const job of [a, b, b, b]) evidence.callFailed(job);
  expect([a, b, c].map((job) => evidence.othersFailed(job, before))).toEqual([true, true, true]);
  expect([a, b, c].map((job) => evidence.othersFailed(job, clock.monotonic()))).toEqual([false, false, false]);
  expect(evidence.pictures).toBe(0);
  evidence.pictureCame();
  expect(evidence.pictures).toBe(1);
  expect([a, b, c].map((job) => evidence.othersFailed(job, before))).toEqual([false, false, false]);
});
