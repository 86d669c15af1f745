import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { masterName, originalName, renditionName } from '../../../src/core/domain/file-names.ts';
import type { RenditionSpec } from '../../../src/core/domain/formats.ts';
import {
  type Attempt,
  IMAGE_STATUSES,
  type Image,
  type ImageStatus,
  isFinished,
  isRepair,
  type Original,
  PICTURE_KEPT,
} from '../../../src/core/domain/image.ts';
import { addCosts, type Cost, microdollars, type Spending, ZERO_COST } from '../../../src/core/domain/money.ts';
import {
  type AcceptedRequest,
  accepted,
  adopted,
  cancelled,
  closed,
  type FinishedParts,
  failed,
  finished,
  keptAfterCancel,
  newWarnings,
  opened,
  type PlannedFields,
  type ReceivedPicture,
  received,
  renditionsGivenUp,
  requeuedForRepair,
  rerun,
  resumed,
  setAside,
  withRendition,
  withWarnings,
} from '../../../src/core/domain/transitions.ts';
import { ledgerChanges } from '../../../src/core/money/ledger.ts';
import { webhookEventOf } from '../../../src/core/webhooks/delivery.ts';
import { exampleFile, exampleImage } from '../../support/app/fake-images.ts';

const AT = '2026-11-23T16:00:10.000Z';
const LATER = '2026-11-24T09:00:00.000Z';
const ESTIMATE: Cost = { usd: 0.05, basis: 'estimate' };
const SPECS: readonly RenditionSpec[] = [
  { width: 64, height: 64, format: 'webp' },
  { width: 64, height: 64, format: 'avif' },
  { width: 32, height: 32, format: 'avif' },
];
const nameOf = (spec: RenditionSpec) => renditionName('x', spec);

const planOf = (provider: string): PlannedFields => ({
  provider,
  model: `${provider}-model`,
  prompt: `a lighthouse, for ${provider}`,
  requestedSize: { width: 128, height: 128 },
  warnings: [{ code: 'enlarged', detail: `${provider} makes smaller pictures` }],
});

const REQUEST: AcceptedRequest = {
  mediaId: 'x',
  owner: 'anna',
  idempotencyKey: 'key',
  traceparent: '00-trace',
  fingerprint: '1:00',
  request: { ...exampleImage().request, renditions: SPECS },
  createdAt: '2026-11-23T16:00:00.000Z',
  expiresAt: null,
  planned: planOf('first'),
  estimate: ESTIMATE,
};

const attemptOf = (id: string, run: number, change: Partial<Attempt> = {}): Attempt => ({
  id,
  run,
  provider: 'first',
  model: 'first-model',
  startedAt: '2026-11-23T16:00:01.000Z',
  durationMs: null,
  outcome: 'unknown',
  httpStatus: null,
  providerRequestId: null,
  cost: ESTIMATE,
  ...change,
});

const originalOf = (attemptId: string): Original => ({
  name: originalName('x', attemptId),
  bytes: 5,
  sha256: attemptId,
  sound: true,
});

const pictureOf = (attemptId: string, cost: Cost = { usd: 0.041, basis: 'usage' }): ReceivedPicture => ({
  original: originalOf(attemptId),
  revisedPrompt: `a tall lighthouse, by ${attemptId}`,
  durationMs: 1234,
  httpStatus: 200,
  providerRequestId: `req_${attemptId}`,
  cost,
});

const fileOf = (spec: RenditionSpec) => exampleFile(nameOf(spec), Buffer.from(nameOf(spec)), spec);

const partsOf = (pending: readonly RenditionSpec[] = []): FinishedParts => ({
  master: exampleFile(masterName('x', 'png'), Buffer.from('master')),
  renditions: SPECS.filter((spec) => !pending.includes(spec)).map(fileOf),
  pending,
  thumbhash: 'hash',
  dominantColour: '#102030',
  checks: [{ name: 'entropy', value: 7, threshold: 2, verdict: 'ok' }],
  warnings: [{ code: 'checks', detail: 'a little dark' }],
});

const failureOf = (rejected: boolean) => ({
  error: { code: rejected ? 'invalid_image' : 'provider_failed', detail: 'it did not work' },
  checks: [],
  rejected,
});

/** The image after a change that has to be legal. */
function legal(image: Image | null): Image {
  if (image === null) throw new Error('the change was refused');
  return image;
}

/** One image for each status, each reached by legal changes, and each with the open attempt `a` but where it brought the picture. */
function imageIn(status: ImageStatus): Image {
  const queued = accepted(REQUEST);
  const generating = () => legal(opened(queued, attemptOf('a', 1), planOf('first')));
  const processing = () => legal(received(generating(), 'a', pictureOf('a')));
  switch (status) {
    case 'queued':
      return queued;
    case 'generating':
      return generating();
    case 'processing':
      return processing();
    case 'succeeded':
      return legal(finished(processing(), partsOf(SPECS.slice(1)), AT));
    case 'failed':
      return legal(failed(processing(), failureOf(false), AT));
    case 'cancelled':
      return legal(cancelled(generating(), AT));
  }
}

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

  test('a rendition that nobody asked for is not published, and only what is pending is given up', () => {
    const image = imageIn('succeeded');
    expect(withRendition(image, fileOf({ width: 1, height: 1, format: 'png' }))).toBeNull();
    expect(renditionsGivenUp(image, SPECS.slice(0, 1), 'no')).toBeNull();
  });
});

describe('what a change does', () => {
  test('accepted holds the estimate back and has paid nothing', () => {
    const { planned, ...request } = REQUEST;
    const image = accepted(REQUEST);
    expect(image).toMatchObject({ ...request, ...planned, status: 'queued', run: 1, attempts: [], cost: ZERO_COST });
    // Every field but the optional ones of `exampleImage`, which has something in each.
    expect(Object.keys(image).sort()).toEqual([...Object.keys(exampleImage()), 'traceparent'].sort());
  });

  test('opened takes over the plan and counts the estimate', () => {
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

  test('received sets the original and what the call did cost', () => {
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

  test('keptAfterCancel keeps status and picture, until the same request finishes it', () => {
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

  test('setAside keeps the rejected original on record', () => {
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

  test('finished says of the picture what it is, in place of what was planned', () => {
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

  test('cancelled leaves the call under way open', () => {
    const image = imageIn('generating');
    expect(cancelled(image, AT)).toEqual({ ...image, status: 'cancelled', completedAt: AT });
  });

  test('a repair of the master finishes once more, with the checks and the time of the first time', () => {
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
    // What is pending already, or is of another image, is not lost.
    expect(requeuedForRepair(lost, [...names, 'y.png'])).toBeNull();
  });

  test('withRendition keeps the order of the request', () => {
    const [quick, slow, small] = SPECS as readonly [RenditionSpec, RenditionSpec, RenditionSpec];
    const image = legal(withRendition(imageIn('succeeded'), fileOf(small)));
    expect([image.renditions, image.pending]).toEqual([[fileOf(quick), fileOf(small)], [slow]]);
    const all = legal(withRendition(image, fileOf(slow)));
    expect([all.renditions, all.pending]).toEqual([SPECS.map(fileOf), []]);
  });

  test('renditionsGivenUp warns of what was tried, and leaves the rest pending', () => {
    const image = imageIn('succeeded');
    const [, slow, small] = SPECS as readonly [RenditionSpec, RenditionSpec, RenditionSpec];
    const detail = `${nameOf(slow)} could not be made: no room`;
    expect(renditionsGivenUp(image, [slow], 'no room')).toEqual({
      ...image,
      pending: [small],
      warnings: [...image.warnings, { code: 'rendition_failed', detail }],
    });
  });

  test('withWarnings repeats none', () => {
    const image = imageIn('processing');
    const added = { code: 'regenerated', detail: 'again' };
    expect(newWarnings(image.warnings, [...image.warnings, added])).toEqual([added]);
    const warned = legal(withWarnings(image, [...image.warnings, added]));
    expect(warned).toEqual({ ...image, warnings: [...image.warnings, added] });
  });
});

describe('any sequence of changes', () => {
  /** Everything that can happen to an image, at any time, and how often: so that many walks come to a picture and beyond. */
  const WEIGHTS = {
    open: 3,
    arrive: 3,
    end: 1,
    crash: 1,
    adopt: 2,
    resume: 1,
    setAside: 1,
    warn: 1,
    finish: 4,
    fail: 1,
    cancel: 1,
    rerun: 2,
    repair: 2,
    rendition: 2,
    giveUp: 1,
  };
  type Kind = keyof typeof WEIGHTS;
  const KINDS = Object.keys(WEIGHTS) as Kind[];
  const step = fc.record({
    kind: fc.constantFrom(...KINDS.flatMap((kind) => Array<Kind>(WEIGHTS[kind]).fill(kind))),
    pick: fc.nat({ max: 7 }),
    micro: fc.option(fc.integer({ min: 0, max: 90_000 }), { freq: 8 }),
    day: fc.constantFrom('2026-11-23', '2026-11-24'),
  });
  type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

  /** An image, with what is known of it outside its record. */
  interface Walk {
    image: Image;
    /** Calls that a process waits for, and those whose process died: of some of these the picture is on disk. */
    readonly live: string[];
    readonly dead: string[];
    /** What the provider bills for each call, as far as can be known: pictures at their price, others at most the estimate. */
    readonly bills: Map<string, Cost>;
    readonly pictures: Set<string>;
    readonly lines: Spending[];
    /** Webhook events and repairs of the present run. */
    events: number;
    repairs: number;
    opened: number;
  }

  function begin(): Walk {
    const image = accepted(REQUEST);
    return {
      image,
      live: [],
      dead: [],
      bills: new Map(),
      pictures: new Set(),
      lines: [...ledgerChanges(null, image)],
      events: 0,
      repairs: 0,
      opened: 0,
    };
  }

  const take = (from: string[], pick: number): string | undefined =>
    from.length === 0 ? undefined : from.splice(pick % from.length, 1)[0];

  /** What the step makes of the image: null where it changes nothing. */
  function change(walk: Walk, { kind, pick, micro, day }: Step): Image | null {
    const { image } = walk;
    const cost: Cost = micro === null ? { usd: null, basis: 'unknown' } : { usd: micro / 1e6, basis: 'estimate' };
    const one = SPECS[pick % SPECS.length] as RenditionSpec;
    switch (kind) {
      case 'open': {
        const id = `c${walk.opened++}`;
        const next = opened(
          image,
          attemptOf(id, image.run, { cost, startedAt: `${day}T01:00:00.000Z` }),
          planOf(`p${pick}`),
        );
        if (next === null) return null;
        walk.live.push(id);
        walk.bills.set(id, cost);
        return next;
      }
      case 'arrive': {
        const id = take(walk.live, pick);
        if (id === undefined) return null;
        walk.bills.set(id, cost);
        walk.pictures.add(id);
        const next = received(image, id, pictureOf(id, cost));
        const late = keptAfterCancel(image, id, pictureOf(id, cost));
        // Exactly one of the two is legal: no picture is lost, and none counts twice.
        expect([next, late].filter((result) => result !== null)).toHaveLength(1);
        // Unless another original is in use, the picture that was paid for becomes the original.
        const isInUse = image.status === 'processing' || image.status === 'succeeded';
        if (!isInUse) expect((next ?? late)?.original?.name).toBe(originalName('x', id));
        return next ?? late;
      }
      case 'end': {
        const id = take(walk.live, pick);
        const outcome = (['failed', 'unknown', 'cancelled'] as const)[pick % 3] ?? 'failed';
        if (id === undefined) return null;
        if (outcome === 'failed') walk.bills.set(id, ZERO_COST);
        return legal(closed(image, id, { outcome, durationMs: 5, httpStatus: null, providerRequestId: null }));
      }
      case 'crash':
        walk.dead.push(...walk.live.splice(0));
        return null;
      case 'adopt': {
        const [id] = walk.dead.slice(pick % Math.max(1, walk.dead.length));
        const next = id === undefined ? null : adopted(image, id, originalOf(id), pick % 2 ? planOf('found') : null);
        if (id !== undefined && next !== null) {
          walk.dead.splice(walk.dead.indexOf(id), 1);
          walk.pictures.add(id);
        }
        return next;
      }
      case 'resume':
        return resumed(image);
      case 'setAside':
        return setAside(image);
      case 'warn':
        return withWarnings(image, [{ code: 'regenerated', detail: `warning ${pick}` }]);
      case 'finish':
        return finished(image, partsOf(SPECS.slice(pick % 4)), LATER);
      case 'fail':
        return failed(image, failureOf(pick % 2 === 0), AT);
      case 'cancel':
        return cancelled(image, AT);
      case 'rerun':
        return rerun(image, { planned: planOf(`p${pick}`), estimate: cost, traceparent: null });
      case 'repair':
        return requeuedForRepair(image, pick % 2 ? [masterName('x', 'png')] : [nameOf(one)]);
      case 'rendition':
        return image.pending.includes(one) ? withRendition(image, fileOf(one)) : null;
      case 'giveUp':
        return renditionsGivenUp(image, SPECS.slice(0, 1 + (pick % 3)), 'no room');
    }
  }

  const isSettled = ({ outcome, durationMs }: Attempt) => outcome !== 'unknown' || durationMs !== null;

  /** Nothing that was paid for is forgotten, and what an image is never changes. */
  function expectNothingLost(before: Image, after: Image, kind: Step['kind']): void {
    expect(Object.keys(after).sort()).toEqual(Object.keys(before).sort());
    for (const field of [
      'mediaId',
      'owner',
      'idempotencyKey',
      'fingerprint',
      'request',
      'createdAt',
      'expiresAt',
    ] as const) {
      expect(after[field]).toBe(before[field]);
    }
    expect(after.run).toBe(before.run + (kind === 'rerun' ? 1 : 0));
    if (isFinished(before.status) && after.status !== before.status) {
      expect(`${before.status}, ${kind}`).toMatch(/^(failed, rerun|cancelled, rerun|succeeded, repair)$/);
    }
    expect(after.attempts.slice(0, before.attempts.length).map(({ id }) => id)).toEqual(
      before.attempts.map(({ id }) => id),
    );
    for (const [index, attempt] of before.attempts.entries()) {
      if (isSettled(attempt)) expect(after.attempts[index]).toEqual(attempt);
    }
    if (before.original === null || after.original?.sha256 === before.original.sha256) {
      const judged = kind === 'setAside' || (kind === 'fail' && !isRepair(before));
      if (before.original?.sound && !judged) expect(after.original?.sound).toBe(true);
    } else {
      // Another picture that was paid for takes its place.
      expect([kind, after.original?.sound]).toEqual([expect.stringMatching(/^(arrive|adopt)$/), true]);
    }
    if (!after.original?.sound) expect(['processing', 'succeeded']).not.toContain(after.status);
    expect(after.completedAt !== null).toBe(isFinished(after.status) || isRepair(after));
    expect(after.error !== null).toBe(after.status === 'failed');
    if (kind === 'repair') expect([after.completedAt, after.checks]).toEqual([before.completedAt, before.checks]);
    if (after.status === 'succeeded') {
      expect(after.master).not.toBeNull();
      const names = [...after.renditions.map(({ name }) => name), ...after.pending.map(nameOf)];
      expect(new Set(names).size).toBe(names.length);
      const givenUp = SPECS.map(nameOf).filter((name) =>
        after.warnings.some(({ code, detail }) => code === 'rendition_failed' && detail.startsWith(name)),
      );
      expect(SPECS.map(nameOf).filter((name) => !names.includes(name) && !givenUp.includes(name))).toEqual([]);
    }
  }

  /** The books hold what the provider bills: calls that ended on their day, and calls under way as held back. */
  function expectPaidInLedger({ image, bills, pictures, lines }: Walk): void {
    expect(image.cost).toEqual(image.attempts.map(({ cost }) => cost).reduce(addCosts, ZERO_COST));
    expect(image.attempts.map(({ id, cost }) => [id, cost])).toEqual([...bills]);
    const paid = [...bills.values()];
    const unknown = paid.some(({ usd }) => usd === null);
    const microUsd = paid.reduce((sum, { usd }) => sum + microdollars(usd ?? 0), 0);
    expect(image.cost.usd === null ? null : microdollars(image.cost.usd)).toBe(unknown ? null : microUsd);

    const total = (part: 'images' | 'microUsd' | 'unpriced') => lines.reduce((sum, line) => sum + line[part], 0);
    const waits = image.status === 'queued';
    expect(total('images')).toBe(pictures.size);
    expect(total('microUsd')).toBe(microUsd + (waits ? microdollars(image.estimate.usd ?? 0) : 0));
    expect(total('unpriced')).toBe(
      paid.filter(({ usd }) => usd === null).length + (waits && image.estimate.usd === null ? 1 : 0),
    );
    const isHeldBack = waits || image.status === 'generating';
    const held = lines.filter(({ day }) => day === null).reduce((sum, line) => sum + line.microUsd, 0);
    if (!isHeldBack) expect(held).toBe(0);
  }

  /** A run sends one terminal event, and each repair of a lost master one more when it ends. */
  function expectOneEventARun(walk: Walk): void {
    expect(walk.events).toBe((isFinished(walk.image.status) ? 1 : 0) + walk.repairs);
  }

  function go(walk: Walk, taken: Step): void {
    const before = walk.image;
    const copy = structuredClone(before);
    const after = change(walk, taken);
    // A change makes a new image; the one it was given stays as it was.
    expect(before).toEqual(copy);
    if (after === null) return;
    walk.image = after;
    walk.lines.push(...ledgerChanges(before, after));
    if (taken.kind === 'rerun') Object.assign(walk, { events: 0, repairs: 0 });
    if (before.status === 'succeeded' && after.status === 'processing') walk.repairs += 1;
    if (webhookEventOf(before, after) !== null) walk.events += 1;
    expectNothingLost(before, after, taken.kind);
    expectPaidInLedger(walk);
    expectOneEventARun(walk);
  }

  it('pays into the ledger, sends one event a run, and forgets nothing that was paid for', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50, size: 'max' }), (steps) => {
        const walk = begin();
        for (const taken of steps) {
          const before = walk.image;
          go(walk, taken);
          if (walk.image !== before) seen.add(taken.kind).add(`${before.status} to ${walk.image.status}`);
        }
      }),
      { numRuns: 200 },
    );
    // Else the walks prove nothing of the changes that they never come to.
    expect(KINDS.filter((kind) => kind !== 'crash' && !seen.has(kind))).toEqual([]);
    expect(seen).toContain('succeeded to processing');
  });
});
