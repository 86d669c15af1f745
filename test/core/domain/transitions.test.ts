import { describe, expect, test } from 'vitest';
import type { RenditionSpec } from '../../../src/core/domain/formats.ts';
import {
  IMAGE_STATUSES,
  type Image,
  type ImageStatus,
  isRepair,
  PICTURE_KEPT,
} from '../../../src/core/domain/image.ts';
import { ZERO_COST } from '../../../src/core/domain/money.ts';
import {
  accepted,
  adopted,
  cancelled,
  closed,
  failed,
  finished,
  keptAfterCancel,
  newWarnings,
  opened,
  received,
  renditionsGivenUp,
  requeuedForRepair,
  rerun,
  resumed,
  setAside,
  withRendition,
  withWarnings,
} from '../../../src/core/domain/transitions.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import {
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
    ['adopted', UNFINISHED_STATES, (image) => adopted(open(image), 'a', originalOf('a'), null)],
    ['resumed', UNFINISHED_STATES, (image) => resumed({ ...image, original: originalOf('a') })],
    ['setAside', ['processing'], setAside],
    ['finished', ['processing'], (image) => finished(image, partsOf(), AT)],
    ['failed', UNFINISHED_STATES, (image) => failed(image, failureOf(false), AT)],
    ['cancelled', UNFINISHED_STATES, (image) => cancelled(image, AT)],
    ['rerun', ['failed', 'cancelled'], (image) => rerun(image, REQUEST)],
    ['requeuedForRepair', ['succeeded'], (image) => requeuedForRepair(image, ['x.png'])],
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
      adopted(ended, 'a', originalOf('a'), null),
      closed(image, 'b', end),
      received(image, 'b', pictureOf('b')),
      keptAfterCancel(image, 'b', pictureOf('b')),
    ]).toEqual(Array(7).fill(null));
  });

  test('only a sound original is finished, set aside or repaired from', () => {
    const withOriginal = (status: ImageStatus, original: Image['original']) => ({ ...imageIn(status), original });
    for (const original of [null, { ...originalOf('a'), sound: false }]) {
      expect(resumed(withOriginal('queued', original))).toBeNull();
      expect(setAside(withOriginal('processing', original))).toBeNull();
      expect(requeuedForRepair(withOriginal('succeeded', original), ['x.png'])).toBeNull();
    }
    expect(finished(withOriginal('processing', null), partsOf(), AT)).toBeNull();
    expect(setAside(legal(requeuedForRepair(imageIn('succeeded'), ['x.png'])))).toBeNull();
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
    // `exampleImage` has every field but the optional `traceparent`.
    expect(Object.keys(image).sort()).toEqual([...Object.keys(exampleImage()), 'traceparent'].sort());
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
    const { original, revisedPrompt, ...end } = pictureOf('a');
    expect(received(image, 'a', pictureOf('a'))).toEqual({
      ...image,
      status: 'processing',
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
    const again = legal(rerun(kept, { planned: planOf('second'), estimate: ZERO_COST, traceparent: null }));
    expect(again).toMatchObject({ ...planOf('first'), status: 'queued', run: 2, original: originalOf('a') });
    expect(again).toMatchObject({ estimate: ZERO_COST, revisedPrompt: kept.revisedPrompt, traceparent: null });
  });

  test.each(['processing', 'succeeded'] as const)('keptAfterCancel leaves a %s image its own original', (status) => {
    const image: Image = { ...imageIn(status), run: 2, attempts: [attemptOf('late', 1)] };
    const kept = legal(keptAfterCancel(image, 'late', pictureOf('late')));
    expect(kept.attempts).toEqual([expect.objectContaining({ id: 'late', outcome: 'ok' })]);
    expect({ ...kept, attempts: image.attempts, cost: image.cost }).toEqual(image);
  });

  test('adopted keeps the estimate, and takes the plan of the provider that made the picture', () => {
    const image = legal(opened(imageIn('generating'), attemptOf('b', 1), planOf('second')));
    const own = legal(adopted(image, 'b', originalOf('b'), null));
    expect(own).toEqual({
      ...image,
      status: 'processing',
      original: originalOf('b'),
      attempts: [attemptOf('a', 1), attemptOf('b', 1, { outcome: 'ok' })],
    });
    const other = legal(adopted(image, 'a', originalOf('a'), planOf('first')));
    expect(other).toMatchObject({ ...planOf('first'), original: originalOf('a'), cost: image.cost });
  });

  test('setAside keeps the rejected original in the record', () => {
    const image = imageIn('processing');
    const original = { ...originalOf('a'), sound: false };
    expect(setAside(image)).toEqual({ ...image, status: 'generating', original });
    expect(rerun(legal(failed({ ...image, original }, failureOf(true), AT)), REQUEST)).toMatchObject({
      ...REQUEST.planned,
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
      status: 'succeeded',
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
      status: 'failed',
      error,
      original,
      completedAt: AT,
    });
    const { checks } = partsOf();
    expect(failed(image, { ...failureOf(rejected), checks }, AT)?.checks).toEqual(checks);
  });

  test('cancelled leaves a running call open', () => {
    const image = imageIn('generating');
    expect(cancelled(image, AT)).toEqual({ ...image, status: 'cancelled', completedAt: AT });
  });

  test('a repair of the master keeps the checks and the time of the first completion', () => {
    const image = imageIn('succeeded');
    const [kept] = image.renditions;
    const given = legal(renditionsGivenUp(image, SPECS, 'no room'));
    const repaired = legal(requeuedForRepair(given, ['x.png']));
    expect(repaired).toEqual({
      ...image,
      status: 'processing',
      master: null,
      renditions: [kept],
      pending: [],
      traceparent: null,
    });
    expect(isRepair(repaired)).toBe(true);
    const parts = { ...partsOf(SPECS.slice(1)), checks: [] };
    expect(finished(repaired, parts, LATER)).toEqual({ ...image, traceparent: null });
    expect(failed(repaired, failureOf(true), LATER)).toMatchObject({ original: originalOf('a'), completedAt: AT });
  });

  test('a repair of renditions leaves the image succeeded', () => {
    const image = imageIn('succeeded');
    const names = image.renditions.map(({ name }) => name);
    const lost = legal(requeuedForRepair(image, names));
    expect(lost).toEqual({ ...image, renditions: [], pending: [...image.pending, SPECS[0]] });
    // Pending renditions and files of other images do not count as lost.
    expect(requeuedForRepair(lost, [...names, 'y.png'])).toBeNull();
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
    const added = { code: 'regenerated', detail: 'again' };
    expect(newWarnings(image.warnings, [...image.warnings, added])).toEqual([added]);
    const warned = legal(withWarnings(image, [...image.warnings, added]));
    expect(warned).toEqual({ ...image, warnings: [...image.warnings, added] });
  });
});
