/** Random lives of an image: what holds for every sequence of legal changes. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { masterName, originalName, thumbnailName } from '../../../../src/core/domain/file-names.ts';
import type { RenditionSpec } from '../../../../src/core/domain/formats.ts';
import {
  type Attempt,
  canRunAgain,
  countedUnknowns,
  type Image,
  isFinished,
  isRepair,
} from '../../../../src/core/domain/image.ts';
import {
  adopted,
  announced,
  closed,
  keptAfterCancel,
  keptAfterTakeover,
  opened,
  received,
} from '../../../../src/core/domain/life-cycle/attempt-transitions.ts';
import { patched } from '../../../../src/core/domain/life-cycle/patched.ts';
import { isPinned, PINNED, unpinned } from '../../../../src/core/domain/life-cycle/pinning.ts';
import { startedAt, statusSince } from '../../../../src/core/domain/life-cycle/times.ts';
import {
  accepted,
  cancelled,
  claimed,
  failed,
  finished,
  renditionsGivenUp,
  requeuedForRepair,
  rerun,
  resumed,
  setAside,
  withRendition,
  withThumbnail,
  withWarnings,
} from '../../../../src/core/domain/life-cycle/transitions.ts';
import { addCosts, type Cost, microdollars, type Spending, ZERO_COST } from '../../../../src/core/domain/money.ts';
import { ledgerChanges } from '../../../../src/core/money/ledger.ts';
import { differingFields } from '../../../../src/core/planning/differing-fields.ts';
import { webhookEventOf } from '../../../../src/core/webhooks/delivery.ts';
import { sumsOf } from '../../../support/ledger.ts';
import {
  AGAIN,
  ANNOUNCED,
  AT,
  attemptOf,
  failureOf,
  fileOf,
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

it('enters what was paid in the ledger, sends one event a run, and loses nothing that was paid for', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50, size: 'max' }), (steps) => {
      const walk = begin();
      for (const taken of steps) {
        const before = walk.image;
        takeStep(walk, taken);
        if (walk.image !== before) seen.add(taken.kind).add(`${before.status} to ${walk.image.status}`);
      }
    }),
    { numRuns: 200, examples: [[LATE_THUMBNAIL]] },
  );
  // A change that no walk reaches would not be tested.
  expect(KINDS.filter((kind) => kind !== 'crash' && !seen.has(kind))).toEqual([]);
  expect(seen).toContain('succeeded to processing');
});

/** The relative frequency of every kind of change, chosen so that many walks reach a picture and what follows. */
const WEIGHTS = {
  open: 3,
  announce: 1,
  arrive: 3,
  arriveLate: 1,
  claim: 1,
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
  retry: 1,
  repair: 2,
  rendition: 2,
  thumbnail: 1,
  giveUp: 1,
  patch: 2,
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

/** A thumbnail that is lost, and made again: chance alone does not find this walk every time. */
const LATE_THUMBNAIL = (['open', 'arrive', 'finish', 'repair', 'finish', 'thumbnail'] as const).map(
  (kind): Step => ({ kind, pick: kind === 'repair' ? 2 : 0, micro: 40_000, day: '2026-11-23' }),
);

/** An image, and what is known about it outside of its record. */
interface Walk {
  image: Image;
  /** Calls of a running process. */
  readonly live: string[];
  /** Calls that brought no picture, whose picture may still be found: their process died, or its URL did not answer. */
  readonly lost: string[];
  /** Calls whose answer named its picture by a URL. */
  readonly announced: Set<string>;
  /** How the calls ended that count for the present run; null for an open one. */
  readonly counted: Map<string, Attempt['outcome'] | null>;
  /** The cost of each call: of a picture its price, of others zero or the estimate. */
  readonly bills: Map<string, Cost>;
  readonly pictures: Set<string>;
  /** Ledger entries of all changes. */
  readonly lines: Spending[];
  /** What the caller has changed of the request. */
  readonly asked: { ttlSeconds: number | null; labels?: readonly string[] };
  /** Whether the caller has pinned it by the field, last. */
  pinned: boolean;
  /** When its ttl was given, where that was after the present run was requested. */
  ttlFrom: string | null;
  patches: number;
  /** Webhook events of the present run. */
  events: number;
  opened: number;
}

function begin(): Walk {
  const image = legal(claimed(accepted(REQUEST), 0));
  return {
    image,
    live: [],
    lost: [],
    announced: new Set(),
    counted: new Map(),
    bills: new Map(),
    pictures: new Set(),
    lines: [...ledgerChanges(null, image)],
    asked: { ttlSeconds: REQUEST.request.ttlSeconds, labels: REQUEST.request.labels },
    pinned: false,
    ttlFrom: null,
    patches: 0,
    events: 0,
    opened: 0,
  };
}

const take = (from: string[], pick: number): string | undefined =>
  from.length === 0 ? undefined : from.splice(pick % from.length, 1)[0];

/** The image after the step; null where the step changes nothing. */
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
      walk.counted.set(id, null);
      return next;
    }
    case 'announce': {
      const id = walk.live[pick % Math.max(1, walk.live.length)];
      if (id === undefined) return null;
      walk.bills.set(id, cost);
      walk.announced.add(id);
      return legal(announced(image, id, { httpStatus: 200, providerRequestId: 'req', cost, announced: ANNOUNCED }));
    }
    case 'arrive': {
      const id = take(walk.live, pick);
      if (id === undefined) return null;
      walk.bills.set(id, cost);
      walk.pictures.add(id);
      settle(walk, id, 'ok');
      const next = received(image, id, pictureOf(id, cost));
      const late = keptAfterCancel(image, id, pictureOf(id, cost));
      // Exactly one of the two is legal, so no picture is lost and none counts twice.
      expect([next, late].filter((result) => result !== null)).toHaveLength(1);
      // Unless another original is in use, the new picture becomes the original.
      const isInUse = image.status === 'processing' || image.status === 'succeeded';
      if (!isInUse) expect((next ?? late)?.original?.name).toBe(originalName('x', id));
      return next ?? late;
    }
    case 'arriveLate': {
      const id = take(walk.live, pick);
      if (id === undefined) return null;
      walk.bills.set(id, cost);
      walk.pictures.add(id);
      settle(walk, id, 'ok');
      const next = legal(keptAfterTakeover(image, id, { ...pictureOf(id, cost), planned: planOf('late') }));
      // The work of the later claim goes on as it is, and finds the picture where it has none.
      const isInUse = image.original?.sound || image.status === 'processing' || image.status === 'succeeded';
      expect(next.status).toBe(image.status);
      expect([next.original?.name, next.provider]).toEqual(
        isInUse ? [image.original?.name, image.provider] : [originalName('x', id), 'late'],
      );
      return next;
    }
    case 'claim': {
      const next = claimed(image, pick);
      expect(next?.claim ?? -1).toBe((image.claim ?? 0) > pick ? -1 : pick);
      return next === image ? null : next;
    }
    case 'end': {
      const id = take(walk.live, pick);
      const outcome = (['failed', 'unknown', 'cancelled'] as const)[pick % 3] ?? 'failed';
      if (id === undefined) return null;
      if (outcome === 'failed') walk.bills.set(id, ZERO_COST);
      if (outcome === 'unknown' && walk.announced.has(id)) walk.lost.push(id);
      settle(walk, id, outcome);
      return legal(closed(image, id, { outcome, durationMs: 5, httpStatus: null, providerRequestId: null }));
    }
    case 'crash':
      walk.lost.push(...walk.live.splice(0));
      return null;
    case 'adopt': {
      const [id] = walk.lost.slice(pick % Math.max(1, walk.lost.length));
      const next =
        id === undefined ? null : adopted(image, id, originalOf(id), pick % 2 ? planOf('found') : null, LATER);
      if (id !== undefined && next !== null) {
        walk.lost.splice(walk.lost.indexOf(id), 1);
        walk.pictures.add(id);
        settle(walk, id, 'ok');
      }
      return next;
    }
    case 'resume':
      return resumed(image, LATER);
    case 'setAside':
      return setAside(image, LATER);
    case 'warn':
      return withWarnings(image, [{ code: 'regenerated', detail: `warning ${pick}` }]);
    case 'finish':
      return finished(image, partsOf(SPECS.slice(pick % 4)), LATER);
    case 'fail':
      return failed(image, pick === 7 ? REFUSAL : failureOf(pick % 2 === 0), AT);
    case 'cancel':
      return cancelled(image, AT);
    case 'rerun':
      return runAgain(walk, { ...AGAIN, planned: planOf(`p${pick}`), estimate: cost, requestedAt: `${day}T02:00:00Z` });
    case 'retry':
      return runAgain(walk, { ...AGAIN, mayCostAgain: true });
    case 'repair':
      return requeuedForRepair(
        image,
        [[masterName('x', 'png'), nameOf(one), thumbnailName('x')][pick % 3] ?? ''],
        LATER,
      );
    case 'thumbnail':
      return withThumbnail(image, partsOf().master, partsOf().thumbnail);
    case 'rendition':
      return image.pending.includes(one) ? withRendition(image, fileOf(one)) : null;
    case 'patch':
      return patch(walk, pick, day);
    case 'giveUp':
      return renditionsGivenUp(image, SPECS.slice(0, 1 + (pick % 3)), 'no room');
  }
}

const REFUSAL = { error: { code: 'prompt_rejected', detail: 'no' }, checks: [], rejected: false };

/** Writes down how a call ended, where it counts for the present run. */
function settle({ counted }: Walk, id: string, outcome: Attempt['outcome']): void {
  if (counted.has(id)) counted.set(id, outcome);
}

/** A run is never begun by itself where that may cost again, and only one that may has an allowance of its own. */
function runAgain({ image, counted }: Walk, repeated: typeof AGAIN): Image | null {
  const outcomes = [...counted.values()];
  const mayCost = outcomes.some((outcome) => outcome === 'ok' || outcome === 'unknown' || outcome === null);
  const repeats = ['prompt_rejected', 'invalid_image'].includes(image.error?.code ?? '');
  const isFree = image.original?.sound || !(mayCost || repeats);
  const next = rerun(image, repeated);
  if (image.status === 'failed' && !repeated.mayCostAgain) expect(next !== null).toBe(isFree);
  else expect(next !== null).toBe(image.status === 'failed' || image.status === 'cancelled');
  if (next === null) return null;
  expect([next.requestedAt, next.expiresAt]).toEqual([repeated.requestedAt, repeated.expiresAt]);
  expect(next.allowanceFrom).toBe(repeated.mayCostAgain ? next.run : image.allowanceFrom);
  if (repeated.mayCostAgain) counted.clear();
  return next;
}

const isRunAgain = (kind: Kind) => kind === 'rerun' || kind === 'retry';

const isSettled = ({ outcome, durationMs }: Attempt) => outcome !== 'unknown' || durationMs !== null;

/** What the caller last asked for stays, through every run: see `expectPatchesKept`. */
function patch(walk: Walk, pick: number, day: string): Image | null {
  const changes = {
    ...(pick & 1 && { labels: [`label ${walk.patches}`, ...(walk.patches % 3 ? [] : [PINNED])] }),
    ...(pick & 2 && { webhookUrl: `https://hooks.example/${walk.patches}` }),
    ...(pick & 4 && { ttlSeconds: walk.patches % 2 ? null : 60 + walk.patches }),
  };
  const pinned = [undefined, true, false, undefined, undefined][walk.patches % 5];
  const at = `${day}T03:00:00.000Z`;
  const next = patched(walk.image, {
    changes,
    pinned,
    at,
    expiryOf: (image, since) => (isPinned(image) ? null : `${image.request.ttlSeconds} from ${since}`),
  });
  expect(next !== null).toBe(pick > 0 || pinned !== undefined);
  walk.patches += 1;
  Object.assign(walk.asked, changes);
  walk.pinned = pinned ?? walk.pinned;
  if (next !== null) {
    if (pinned === false) Object.assign(walk.asked, { labels: unpinned(walk.asked.labels ?? []) });
    if (changes.ttlSeconds !== undefined) walk.ttlFrom = changes.ttlSeconds === null ? null : at;
    const moves = 'labels' in changes || 'ttlSeconds' in changes || pinned !== undefined;
    const isKept = walk.pinned || walk.asked.labels?.includes(PINNED);
    expect(isPinned(next)).toBe(isKept ?? false);
    const moved = isKept ? null : `${walk.asked.ttlSeconds} from ${walk.ttlFrom ?? next.requestedAt}`;
    expect(next.expiresAt).toBe(moves ? moved : walk.image.expiresAt);
  }
  return next;
}

/** No step of the work, and no other run, undoes what the caller has changed. */
function expectPatchesKept({ image, asked, pinned }: Walk): void {
  expect(image.request).toEqual({ ...REQUEST.request, ...asked });
  expect(image.pinned).toBe(pinned);
}

/** A status has its time from its change on, and a run its start once it has left the queue. */
function expectTimesKept(before: Image, after: Image, kind: Kind): void {
  const isSame = before.status === after.status && before.run === after.run;
  if (isSame) expect(after.times).toEqual(before.times);
  else expect(after.times).toMatchObject({ status: after.status, run: after.run });
  if (after.status === 'queued') expect(startedAt(after)).toBeNull();
  else if (!isFinished(after.status) || after.status === 'succeeded') expect(startedAt(after)).not.toBeNull();
  if (startedAt(before) !== null && !isRunAgain(kind)) expect(startedAt(after)).toBe(startedAt(before));
  if (isRunAgain(kind)) expect(statusSince(after)).toBe(after.requestedAt);
}

/** Nothing that was paid for is lost, and the fields that identify an image never change. */
function expectNothingLost(before: Image, after: Image, kind: Step['kind']): void {
  expect(Object.keys(after).sort()).toEqual(Object.keys(before).sort());
  for (const field of ['mediaId', 'owner', 'idempotencyKey', 'createdAt'] as const) {
    expect(after[field]).toBe(before[field]);
  }
  expect(differingFields(before.request, after.request)).toEqual([]);
  if (kind !== 'patch') expect(after.request).toBe(before.request);
  if (!isRunAgain(kind)) {
    for (const field of ['requestedAt', 'allowanceFrom'] as const) expect(after[field]).toBe(before[field]);
    if (kind !== 'patch') expect([after.expiresAt, after.ttlSince]).toEqual([before.expiresAt, before.ttlSince]);
  }
  expect(after.run).toBe(before.run + (isRunAgain(kind) ? 1 : 0));
  if (kind !== 'claim') expect(after.claim).toBe(before.claim);
  if (isFinished(before.status) && after.status !== before.status) {
    expect(`${before.status}, ${kind}`).toMatch(/^((failed|cancelled), (rerun|retry)|succeeded, repair)$/);
  }
  expect(after.attempts.slice(0, before.attempts.length).map(({ id }) => id)).toEqual(
    before.attempts.map(({ id }) => id),
  );
  for (const [index, attempt] of before.attempts.entries()) {
    const next = after.attempts[index];
    if (attempt.announced !== null) expect(next?.announced).toEqual(attempt.announced);
    if (!isSettled(attempt)) continue;
    const isFound = kind === 'adopt' && attempt.announced !== null && attempt.outcome === 'unknown';
    expect(next).toEqual(isFound ? { ...attempt, outcome: next?.outcome } : attempt);
  }
  if (before.original === null || after.original?.sha256 === before.original.sha256) {
    const judged = kind === 'setAside' || (kind === 'fail' && !isRepair(before));
    if (before.original?.sound && !judged) expect(after.original?.sound).toBe(true);
  } else {
    // Only another picture that was paid for replaces an original.
    expect([kind, after.original?.sound]).toEqual([expect.stringMatching(/^(arrive|arriveLate|adopt)$/), true]);
  }
  if (!after.original?.sound) expect(['processing', 'succeeded']).not.toContain(after.status);
  expect(after.completedAt !== null).toBe(isFinished(after.status) || isRepair(after));
  expect(after.error !== null).toBe(after.status === 'failed');
  if (kind === 'repair') expect([after.completedAt, after.checks]).toEqual([before.completedAt, before.checks]);
  if (after.status !== 'succeeded') expect([kind, after.thumbnail]).toEqual([kind, null]);
  else if (kind === 'finish') expect(after.thumbnail).not.toBeNull();
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

/** The ledger holds the cost of every call: on the day it began, or as reserved while it is awaited or its image is queued. */
function expectPaidInLedger({ image, bills, pictures, lines }: Walk): void {
  expect(image.cost).toEqual(image.attempts.map(({ cost }) => cost).reduce(addCosts, ZERO_COST));
  expect(image.attempts.map(({ id, cost }) => [id, cost])).toEqual([...bills]);
  const paid = [...bills.values()];
  const unknown = paid.some(({ usd }) => usd === null);
  const microUsd = paid.reduce((sum, { usd }) => sum + microdollars(usd ?? 0), 0);
  expect(image.cost.usd === null ? null : microdollars(image.cost.usd)).toBe(unknown ? null : microUsd);

  // An open call is held back while its image waits for it, and counts as spent once the image does not.
  const isHeld = ({ id, durationMs }: Attempt) =>
    image.status === 'generating' && durationMs === null && id === image.attempts.at(-1)?.id;
  const entry = (day: string | null, model: string, { usd }: Cost, images: number): Spending => ({
    day,
    owner: 'anna',
    model,
    images,
    microUsd: microdollars(usd ?? 0),
    unpriced: usd === null ? 1 : 0,
  });
  const calls = image.attempts.map((attempt) => {
    const day = isHeld(attempt) ? null : attempt.startedAt.slice(0, 10);
    return entry(day, attempt.model, bills.get(attempt.id) ?? ZERO_COST, pictures.has(attempt.id) ? 1 : 0);
  });
  const queued = image.status === 'queued' ? [entry(null, image.model, image.estimate, 0)] : [];
  expect(sumsOf(lines)).toEqual(sumsOf([...calls, ...queued]));
}

/** Every call of unknown outcome counts, over all runs since the caller last said that it may cost again. */
function expectUnknownsCounted({ image, counted }: Walk): void {
  const unknown = [...counted.values()].filter((outcome) => outcome === 'unknown' || outcome === null);
  expect(countedUnknowns(image)).toBe(unknown.length);
  if (!isFinished(image.status) || image.status === 'succeeded') expect(canRunAgain(image)).toBe(false);
}

/** A run sends one terminal event when it first ends. A repair afterwards sends none, however it ends. */
function expectOneEventARun({ image, events }: Walk): void {
  expect(events).toBe(isFinished(image.status) || isRepair(image) ? 1 : 0);
}

function takeStep(walk: Walk, taken: Step): void {
  const before = walk.image;
  const copy = structuredClone(before);
  const after = change(walk, taken);
  // A transition returns a new image and leaves its argument unchanged.
  expect(before).toEqual(copy);
  if (after === null) return;
  walk.image = after;
  walk.lines.push(...ledgerChanges(before, after));
  if (isRunAgain(taken.kind)) Object.assign(walk, { events: 0, ttlFrom: null });
  if (webhookEventOf(before, after) !== null) walk.events += 1;
  expectNothingLost(before, after, taken.kind);
  expectPaidInLedger(walk);
  expectUnknownsCounted(walk);
  expectOneEventARun(walk);
  expectPatchesKept(walk);
  expectTimesKept(before, after, taken.kind);
}
