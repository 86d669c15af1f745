import { describe, expect, test } from 'vitest';
import type { RenditionSpec } from '../../../../src/core/domain/formats.ts';
import {
  type Attempt,
  IMAGE_STATUSES,
  type Image,
  type ImageStatus,
  isRepair,
  PICTURE_KEPT,
} from '../../../../src/core/domain/image.ts';
import {
  adopted,
  announced,
  closed,
  keptAfterCancel,
  opened,
  received,
} from '../../../../src/core/domain/life-cycle/attempt-transitions.ts';
import { patched } from '../../../../src/core/domain/life-cycle/patched.ts';
import { entering, enteringQueue } from '../../../../src/core/domain/life-cycle/times.ts';
import {
  accepted,
  cancelled,
  failed,
  finished,
  newWarnings,
  renditionsGivenUp,
  requeuedForRepair,
  rerun,
  resumed,
  setAside,
  withRendition,
  withThumbnail,
  withWarnings,
} from '../../../../src/core/domain/life-cycle/transitions.ts';
import { ZERO_COST } from '../../../../src/core/domain/money.ts';
import { exampleImage } from '../../../support/app/fake-images.ts';
import {
  AGAIN,
  ANNOUNCED,
  AT,
  attemptOf,
  ESTIMATE,
  failureOf,
  fileOf,
  imageIn,
  LATER,
  legal,
  nameOf,
  originalOf,
  partsOf,
  pictureOf,
  planOf,
  REQUEST,
  SPECS,
} from './example-changes.ts';

describe('the states in which a change is legal', () => {
  const open = (image: Image): Image => ({ ...image, attempts: [attemptOf('a', 1)] });
  const laterRun = (image: Image): Image => ({ ...open(image), run: 2 });
  const announcement = { announced: ANNOUNCED, httpStatus: 200, providerRequestId: 'req_a', cost: ESTIMATE };
  const UNFINISHED_STATES: readonly ImageStatus[] = ['queued', 'generating', 'processing'];

  test.each<[string, readonly ImageStatus[], (image: Image) => Image | null]>([
    ['opened', ['queued', 'generating'], (image) => opened(image, attemptOf('b', 1), planOf('second'))],
    [
      'closed',
      IMAGE_STATUSES,
      (image) =>
        closed(open(image), 'a', { outcome: 'failed', durationMs: 1, httpStatus: 500, providerRequestId: null }),
    ],
    ['received', ['generating'], (image) => received(open(image), 'a', pictureOf('a'))],
    [
      'keptAfterCancel, in the same run',
      IMAGE_STATUSES.filter((status) => status !== 'generating'),
      (image) => keptAfterCancel(open(image), 'a', pictureOf('a')),
    ],
    [
      'keptAfterCancel, in a later run',
      IMAGE_STATUSES,
      (image) => keptAfterCancel(laterRun(image), 'a', pictureOf('a')),
    ],
    ['received, in a later run', [], (image) => received(laterRun(image), 'a', pictureOf('a'))],
    ['adopted', UNFINISHED_STATES, (image) => adopted(open(image), 'a', originalOf('a'), null, AT)],
    ['resumed', UNFINISHED_STATES, (image) => resumed({ ...image, original: originalOf('a') }, AT)],
    ['setAside', ['processing'], (image) => setAside(image, AT)],
    ['finished', ['processing'], (image) => finished(image, partsOf(), AT)],
    ['failed', UNFINISHED_STATES, (image) => failed(image, failureOf(false), AT)],
    ['cancelled', UNFINISHED_STATES, (image) => cancelled(image, AT)],
    ['announced', IMAGE_STATUSES, (image) => announced(open(image), 'a', announcement)],
    ['rerun', ['failed', 'cancelled'], (image) => rerun(image, AGAIN)],
    [
      'rerun, without an original, of a call that may have been billed',
      ['cancelled'],
      (image) => rerun({ ...open(image), original: null }, AGAIN),
    ],
    [
      'rerun that may cost again',
      ['failed', 'cancelled'],
      (image) => rerun({ ...open(image), original: null }, { ...AGAIN, mayCostAgain: true }),
    ],
    ['patched', IMAGE_STATUSES, (image) => patched(image, { changes: { labels: [] }, at: AT, expiryOf: () => null })],
    ['patched with nothing', [], (image) => patched(image, { changes: {}, at: AT, expiryOf: () => null })],
    ['requeuedForRepair', ['succeeded'], (image) => requeuedForRepair(image, ['x.png'], AT)],
    ['withRendition', ['succeeded'], (image) => withRendition(image, fileOf(SPECS[1] as RenditionSpec))],
    ['renditionsGivenUp', ['succeeded'], (image) => renditionsGivenUp({ ...image, pending: SPECS }, SPECS, 'no')],
    [
      'withWarnings',
      [...UNFINISHED_STATES, 'succeeded'],
      (image) => withWarnings(image, [{ code: 'regenerated', detail: 'again' }]),
    ],
  ])('%s: %j', (_name, states, change) => {
    expect(IMAGE_STATUSES.filter((status) => change(imageIn(status)) !== null)).toEqual(states);
  });

  test('an attempt is opened once, in its own run, and ends once', () => {
    const image = imageIn('generating');
    expect(opened(image, attemptOf('a', 1), planOf('first'))).toBeNull();
    expect(opened(image, attemptOf('b', 2), planOf('first'))).toBeNull();
    const end = { outcome: 'unknown', durationMs: 1, httpStatus: null, providerRequestId: null } as const;
    const ended = legal(closed(image, 'a', end));
    expect([
      closed(ended, 'a', end),
      received(ended, 'a', pictureOf('a')),
      keptAfterCancel(ended, 'a', pictureOf('a')),
      adopted(ended, 'a', originalOf('a'), null, AT),
      announced(ended, 'a', announcement),
      announced(image, 'b', announcement),
      closed(image, 'b', end),
      received(image, 'b', pictureOf('b')),
      keptAfterCancel(image, 'b', pictureOf('b')),
    ]).toEqual(Array(9).fill(null));
  });

  test('a picture is adopted of an open attempt, or one whose outcome is unknown and whose URL is on record', () => {
    const legalFor = (change: Partial<Attempt>) =>
      adopted({ ...imageIn('queued'), attempts: [attemptOf('a', 1, change)] }, 'a', originalOf('a'), null, AT) !== null;
    const ended = { durationMs: 1, announced: ANNOUNCED };
    expect([legalFor({}), legalFor({ announced: ANNOUNCED }), legalFor(ended)]).toEqual([true, true, true]);
    expect(legalFor({ ...ended, announced: null })).toBe(false);
    for (const outcome of ['ok', 'failed', 'cancelled'] as const) expect(legalFor({ ...ended, outcome })).toBe(false);
  });

  test('an attempt whose picture was adopted has ended, though its duration is not known', () => {
    const image: Image = {
      ...legal(adopted(imageIn('generating'), 'a', originalOf('a'), null, AT)),
      status: 'generating',
    };
    expect(image.attempts).toEqual([attemptOf('a', 1, { outcome: 'ok' })]);
    expect([
      announced(image, 'a', announcement),
      closed(image, 'a', { outcome: 'failed', durationMs: 1, httpStatus: 500, providerRequestId: null }),
      received(image, 'a', pictureOf('a')),
      keptAfterCancel({ ...image, status: 'cancelled' }, 'a', pictureOf('a')),
      adopted(image, 'a', originalOf('a'), null, AT),
    ]).toEqual(Array(5).fill(null));
  });

  test('only a sound original is finished, set aside or repaired from', () => {
    const withOriginal = (status: ImageStatus, original: Image['original']) => ({ ...imageIn(status), original });
    for (const original of [null, { ...originalOf('a'), sound: false }]) {
      expect(resumed(withOriginal('queued', original), AT)).toBeNull();
      expect(setAside(withOriginal('processing', original), AT)).toBeNull();
      expect(requeuedForRepair(withOriginal('succeeded', original), ['x.png'], AT)).toBeNull();
    }
    expect(finished(withOriginal('processing', null), partsOf(), AT)).toBeNull();
    expect(setAside(legal(requeuedForRepair(imageIn('succeeded'), ['x.png'], AT)), AT)).toBeNull();
  });

  test('only requested renditions are published, and only pending ones are given up', () => {
    const image = imageIn('succeeded');
    expect(withRendition(image, fileOf({ width: 1, height: 1, format: 'png' }))).toBeNull();
    expect(renditionsGivenUp(image, SPECS.slice(0, 1), 'no')).toBeNull();
  });
});

describe('what a change does', () => {
  test('accepted reserves the estimate and has paid nothing', () => {
    const { planned, ...request } = REQUEST;
    const image = accepted(REQUEST);
    expect(image).toMatchObject({ ...request, ...planned, status: 'queued', run: 1, attempts: [], cost: ZERO_COST });
    // `exampleImage` has every field but the optional ones.
    expect(Object.keys(image).sort()).toEqual(
      [...Object.keys(exampleImage()), 'traceparent', 'requestId', 'times', 'thumbnail', 'pinned'].sort(),
    );
  });

  test('opened takes over the plan and adds the estimate to the cost', () => {
    const attempt = attemptOf('b', 1, { provider: 'second' });
    expect(opened(imageIn('generating'), attempt, planOf('second'))).toEqual({
      ...imageIn('generating'),
      ...planOf('second'),
      attempts: [attemptOf('a', 1), attempt],
      cost: { usd: 0.1, basis: 'estimate' },
    });
  });

  test.each([
    ['failed', ZERO_COST],
    ['unknown', ESTIMATE],
    ['cancelled', ESTIMATE],
  ] as const)('closed as %s costs %j', (outcome, cost) => {
    const image = imageIn('generating');
    const end = { outcome, durationMs: 7, httpStatus: 503, providerRequestId: 'req_a' };
    expect(closed(image, 'a', end)).toEqual({ ...image, cost, attempts: [attemptOf('a', 1, { ...end, cost })] });
  });

  test('received sets the original and the actual cost of the call', () => {
    const image = imageIn('generating');
    const { at, original, revisedPrompt, ...end } = pictureOf('a');
    expect(received(image, 'a', pictureOf('a'))).toEqual({
      ...image,
      ...entering(image, 'processing', at),
      original,
      revisedPrompt,
      attempts: [attemptOf('a', 1, { ...end, outcome: 'ok' })],
      cost: end.cost,
    });
  });

  test('keptAfterCancel keeps the status and the picture, and the same request finishes it', () => {
    const kept = legal(keptAfterCancel(imageIn('cancelled'), 'a', pictureOf('a')));
    expect(kept).toMatchObject({ status: 'cancelled', original: originalOf('a'), cost: pictureOf('a').cost });
    expect(kept.warnings).toEqual([...planOf('first').warnings, PICTURE_KEPT]);
    const again = legal(rerun(kept, { ...AGAIN, estimate: ZERO_COST, traceparent: null }));
    expect(again).toMatchObject({ ...planOf('first'), status: 'queued', run: 2, original: originalOf('a') });
    expect(again).toMatchObject({ estimate: ZERO_COST, revisedPrompt: kept.revisedPrompt, traceparent: null });
  });

  test.each(['processing', 'succeeded'] as const)('keptAfterCancel leaves a %s image its own original', (status) => {
    const image: Image = { ...imageIn(status), run: 2, attempts: [attemptOf('late', 1)] };
    const kept = legal(keptAfterCancel(image, 'late', pictureOf('late')));
    expect(kept.attempts).toEqual([expect.objectContaining({ id: 'late', outcome: 'ok' })]);
    expect({ ...kept, attempts: image.attempts, cost: image.cost }).toEqual(image);
  });

  test('adopted does not take the revised prompt of a picture that was set aside', () => {
    const image = legal(opened(legal(setAside(imageIn('processing'), AT)), attemptOf('b', 1), planOf('first')));
    expect(image.revisedPrompt).toBe(pictureOf('a').revisedPrompt);
    expect(adopted(image, 'b', originalOf('b'), null, AT)).toMatchObject({
      original: originalOf('b'),
      revisedPrompt: null,
    });
  });

  test('adopted keeps the estimate, and takes the plan of the provider that made the picture', () => {
    const image = legal(opened(imageIn('generating'), attemptOf('b', 1), planOf('second')));
    const own = legal(adopted(image, 'b', originalOf('b'), null, AT));
    expect(own).toEqual({
      ...image,
      ...entering(image, 'processing', AT),
      original: originalOf('b'),
      attempts: [attemptOf('a', 1), attemptOf('b', 1, { outcome: 'ok' })],
    });
    const other = legal(adopted(image, 'a', originalOf('a'), planOf('first'), AT));
    expect(other).toMatchObject({ ...planOf('first'), original: originalOf('a'), cost: image.cost });
  });

  test('announced keeps the attempt open, at what its answer said, and its picture can be adopted', () => {
    const image = imageIn('generating');
    const report = { httpStatus: 200, providerRequestId: 'req_a', cost: pictureOf('a').cost, announced: ANNOUNCED };
    const named = legal(announced(image, 'a', report));
    expect(named).toEqual({ ...image, attempts: [attemptOf('a', 1, report)], cost: report.cost });

    const end = { outcome: 'unknown', durationMs: 7, httpStatus: 200, providerRequestId: 'req_a' } as const;
    const gone = legal(closed(named, 'a', end));
    expect(gone.attempts).toEqual([attemptOf('a', 1, { ...report, ...end })]);
    for (const before of [named, gone]) {
      expect(adopted(before, 'a', originalOf('a'), null, AT)).toEqual({
        ...before,
        ...entering(before, 'processing', AT),
        original: originalOf('a'),
        revisedPrompt: ANNOUNCED.revisedPrompt,
        attempts: before.attempts.map((attempt) => ({ ...attempt, outcome: 'ok' })),
      });
    }
  });

  test.each([
    [false, 1],
    [true, 3],
  ])('rerun begins a new life; may cost again: %s', (mayCostAgain, allowanceFrom) => {
    const before: Image = {
      ...imageIn('cancelled'),
      run: 2,
      revisedPrompt: 'of the call before',
      original: { ...originalOf('a'), sound: false },
      checks: partsOf().checks,
    };
    const { mayCostAgain: _, planned, ...repeated } = AGAIN;
    expect(rerun(before, { ...AGAIN, mayCostAgain })).toEqual({
      ...before,
      ...planned,
      ...repeated,
      ...enteringQueue(3, LATER),
      allowanceFrom,
      revisedPrompt: null,
      checks: [],
      completedAt: null,
    });
  });

  test('setAside keeps the rejected original in the record', () => {
    const image = imageIn('processing');
    const original = { ...originalOf('a'), sound: false };
    expect(setAside(image, AT)).toEqual({ ...image, ...entering(image, 'generating', AT), original });
    const ended = legal(failed({ ...image, original }, failureOf(true), AT));
    expect(rerun(ended, AGAIN)).toBeNull();
    expect(rerun(ended, { ...AGAIN, mayCostAgain: true })).toMatchObject({
      ...AGAIN.planned,
      original,
      revisedPrompt: null,
      run: 2,
    });
  });

  test('finished replaces the planned warnings by those of the actual picture', () => {
    const image = imageIn('processing');
    expect(finished(image, partsOf(), AT)).toEqual({
      ...image,
      ...partsOf(),
      ...entering(image, 'succeeded', AT),
      completedAt: AT,
      warnings: partsOf().warnings,
    });
  });

  test.each([
    [false, true],
    [true, false],
  ])('failed (rejected: %s) leaves the original sound: %s', (rejected, sound) => {
    const image = imageIn('processing');
    const { error } = failureOf(rejected);
    const original = { ...originalOf('a'), sound };
    expect(failed(image, failureOf(rejected), AT)).toEqual({
      ...image,
      ...entering(image, 'failed', AT),
      error,
      original,
      completedAt: AT,
    });
    const { checks } = partsOf();
    expect(failed(image, { ...failureOf(rejected), checks }, AT)?.checks).toEqual(checks);
  });

  test('cancelled leaves a running call open', () => {
    const image = imageIn('generating');
    expect(cancelled(image, AT)).toEqual({ ...image, ...entering(image, 'cancelled', AT), completedAt: AT });
  });

  test('a repair of the master keeps the checks and the time of the first completion', () => {
    const image = imageIn('succeeded');
    const [kept] = image.renditions;
    const given = legal(renditionsGivenUp(image, SPECS, 'no room'));
    const repaired = legal(requeuedForRepair(given, ['x.png'], AT));
    expect(repaired).toEqual({
      ...image,
      ...entering(image, 'processing', AT),
      master: null,
      thumbnail: null,
      renditions: [kept],
      pending: [],
      traceparent: null,
    });
    expect(isRepair(repaired)).toBe(true);
    const parts = { ...partsOf(SPECS.slice(1)), checks: [] };
    expect(finished(repaired, parts, LATER)).toEqual({
      ...image,
      ...entering(repaired, 'succeeded', LATER),
      traceparent: null,
    });
    expect(failed(repaired, failureOf(true), LATER)).toMatchObject({ original: originalOf('a'), completedAt: AT });
  });

  test('a repair of renditions leaves the image succeeded', () => {
    const image = imageIn('succeeded');
    const names = image.renditions.map(({ name }) => name);
    const lost = legal(requeuedForRepair(image, names, AT));
    expect(lost).toEqual({ ...image, renditions: [], pending: [...image.pending, SPECS[0]] });
    // Pending renditions and files of other images do not count as lost.
    expect(requeuedForRepair(lost, [...names, 'y.png'], AT)).toBeNull();
  });

  test('a repair of the thumbnail drops it, and another is taken in for the same master alone', () => {
    const image = imageIn('succeeded');
    const { thumbnail, master } = partsOf();
    const lost = legal(requeuedForRepair(image, [thumbnail.name], AT));
    expect(lost).toEqual({ ...image, thumbnail: null });
    expect(withThumbnail(lost, { ...master, sha256: 'another' }, thumbnail)).toBeNull();
    expect(withThumbnail(image, master, thumbnail)).toBeNull();
    expect(withThumbnail(lost, master, thumbnail)).toEqual(image);
    for (const status of ['processing', 'failed'] as const) {
      expect(withThumbnail({ ...lost, status }, master, thumbnail)).toBeNull();
    }
  });

  test('withRendition keeps the order of the request', () => {
    const [quick, slow, small] = SPECS as readonly [RenditionSpec, RenditionSpec, RenditionSpec];
    const image = legal(withRendition(imageIn('succeeded'), fileOf(small)));
    expect([image.renditions, image.pending]).toEqual([[fileOf(quick), fileOf(small)], [slow]]);
    const all = legal(withRendition(image, fileOf(slow)));
    expect([all.renditions, all.pending]).toEqual([SPECS.map(fileOf), []]);
  });

  test('renditionsGivenUp replaces what was tried by warnings, and leaves the rest pending', () => {
    const image = imageIn('succeeded');
    const [, slow, small] = SPECS as readonly [RenditionSpec, RenditionSpec, RenditionSpec];
    const detail = `${nameOf(slow)} could not be made: no room`;
    expect(renditionsGivenUp(image, [slow], 'no room')).toEqual({
      ...image,
      pending: [small],
      warnings: [...image.warnings, { code: 'rendition_failed', detail }],
    });
  });

  test('withWarnings repeats no warning', () => {
    const image = imageIn('processing');
    const added = { code: 'regenerated', detail: 'again' } as const;
    expect(newWarnings(image.warnings, [...image.warnings, added])).toEqual([added]);
    const warned = legal(withWarnings(image, [...image.warnings, added]));
    expect(warned).toEqual({ ...image, warnings: [...image.warnings, added] });
  });
});
