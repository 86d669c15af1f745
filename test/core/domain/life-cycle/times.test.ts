import { describe, expect, test } from 'vitest';
import { IMAGE_STATUSES, type Image } from '../../../../src/core/domain/image.ts';
import { entering, enteringQueue, startedAt, statusSince } from '../../../../src/core/domain/life-cycle/times.ts';
import { finished, requeuedForRepair, rerun, resumed } from '../../../../src/core/domain/life-cycle/transitions.ts';
import { exampleImage } from '../../../support/app/fake-images.ts';
import { AGAIN, AT, attemptOf, imageIn, LATER, legal, partsOf, REQUEST } from './example-changes.ts';

const CALLED = '2026-11-23T16:00:01.000Z';
const RECEIVED = '2026-11-23T16:00:03.000Z';

/** When the image took its status, and when its run left the queue. */
const timesOf = (image: Image) => [statusSince(image), startedAt(image)];

describe('the times of an image', () => {
  test.each([
    ['queued', [REQUEST.createdAt, null]],
    ['generating', [CALLED, CALLED]],
    ['processing', [RECEIVED, CALLED]],
    ['succeeded', [AT, CALLED]],
    ['failed', [AT, CALLED]],
    ['cancelled', [AT, CALLED]],
  ] as const)('are those of its changes while it is %s', (status, expected) => {
    expect(timesOf(imageIn(status))).toEqual(expected);
  });

  test('have no start where the run ends in the queue, and the first one where it begins several statuses', () => {
    const queued = imageIn('queued');
    expect(timesOf({ ...queued, ...entering(queued, 'failed', AT) })).toEqual([AT, null]);
    const again = { ...imageIn('generating'), ...entering(imageIn('generating'), 'generating', LATER) };
    expect(timesOf(again)).toEqual([CALLED, CALLED]);
  });

  test('begin anew with a run, which a kept original starts without a call', () => {
    const queued = legal(rerun(imageIn('failed'), AGAIN));
    expect(timesOf(queued)).toEqual([LATER, null]);
    expect(timesOf(legal(resumed(queued, '2026-11-24T09:00:05.000Z')))).toEqual([
      '2026-11-24T09:00:05.000Z',
      '2026-11-24T09:00:05.000Z',
    ]);
  });

  test('go on with a repair, whose completion is that of the first one', () => {
    const repaired = legal(requeuedForRepair(imageIn('succeeded'), ['x.png'], LATER));
    expect(timesOf(repaired)).toEqual([LATER, CALLED]);
    const done = legal(finished(repaired, partsOf(), '2026-11-24T09:00:02.000Z'));
    expect([timesOf(done), done.completedAt]).toEqual([['2026-11-24T09:00:02.000Z', CALLED], AT]);
  });
});

describe('the times of an image of an older Easel', () => {
  const old = (change: Partial<Image>): Image => exampleImage({ requestedAt: '2026-11-23T15:59:00.000Z', ...change });
  const call = attemptOf('a', 1, { outcome: 'ok', durationMs: 2_500 });

  test.each<[string, Partial<Image>, (string | null)[]]>([
    ['queued', { status: 'queued', attempts: [call], run: 2 }, ['2026-11-23T15:59:00.000Z', null]],
    ['generating', { status: 'generating', attempts: [call] }, [CALLED, CALLED]],
    ['processing', { status: 'processing', attempts: [call] }, ['2026-11-23T16:00:03.500Z', CALLED]],
    [
      'processing what an earlier run had received',
      { status: 'processing', run: 2, attempts: [call] },
      ['2026-11-23T15:59:00.000Z', '2026-11-23T15:59:00.000Z'],
    ],
    ['succeeded', { status: 'succeeded', attempts: [call], completedAt: AT }, [AT, CALLED]],
    ['cancelled in the queue', { status: 'cancelled', attempts: [], completedAt: AT }, [AT, null]],
  ])('are as its record tells while it is %s', (_, change, expected) => {
    expect(timesOf(old(change))).toEqual(expected);
  });

  test('are not those that it left in the record when it changed the status, or began a run', () => {
    for (const status of IMAGE_STATUSES.filter((one) => one !== 'queued')) {
      const changed = old({ ...enteringQueue(1, CALLED), status, attempts: [call], completedAt: AT });
      expect(startedAt(changed)).toBe(CALLED);
    }
    expect(timesOf({ ...imageIn('succeeded'), status: 'queued', run: 2, requestedAt: LATER })).toEqual([LATER, null]);
  });
});
