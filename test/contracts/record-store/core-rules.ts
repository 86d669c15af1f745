import fc from 'fast-check';
import { expect, it } from 'vitest';
import { masterName, originalName, thumbnailName } from '../../../src/core/domain/file-names.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { closed, keptAfterCancel, opened, received } from '../../../src/core/domain/life-cycle/attempt-transitions.ts';
import { accepted, cancelled, failed, finished, rerun } from '../../../src/core/domain/life-cycle/transitions.ts';
import type { Cost, Spending } from '../../../src/core/domain/money.ts';
import { createDerive } from '../../../src/core/images/derive.ts';
import type { Deletion, NewDelivery, RecordStore } from '../../../src/core/ports/record-store.ts';
import { LONGEST_WAIT_MS } from '../../support/until.ts';
import { aFile, anAttempt, anImage, aRequest, at } from './example-images.ts';
import type { CreateFixture } from './fixture.ts';

// The contract of record stores runs with rules as simple as they can be. Here the store gets the rules that the service gives it.

const ACTIONS = {
  open: 4,
  arrive: 4,
  finish: 4,
  end: 1,
  fail: 1,
  cancel: 1,
  rerun: 2,
  remove: 1,
  'delete files': 1,
  restart: 1,
};
type Action = keyof typeof ACTIONS;

const step = fc.record({
  action: fc.constantFrom(
    ...Object.entries(ACTIONS).flatMap(([action, weight]) => Array(weight).fill(action as Action)),
  ),
  mediaId: fc.constantFrom('a', 'b', 'c'),
  owner: fc.constantFrom('anna', 'bert', 'carl'),
  usd: fc.option(fc.integer({ min: 0, max: 90_000 }).map((micro) => micro / 1e6)),
  second: fc.integer({ min: 0, max: 3 * 86_400 }),
});
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

/** A picture that arrives after the cancel, which random walks do not always reach. */
const CANCELLED_TOO_LATE = (['open', 'open', 'cancel', 'arrive'] as const).map(
  (action): Step => ({ action, mediaId: 'a', owner: 'anna', usd: 0.04, second: 1 }),
);

/** `anna` has a webhook URL; requests of `bert` name one; `carl` gets no webhooks. */
const webhookUrls = new Map([['anna', 'http://owner.example:81/hook']]);

const RENDITION = { width: 5, height: 6, format: 'webp' } as const;

/** Enough random walks for each of the changes to be among them. */
const MANY_RUNS = 50;

/** Random walks through the life of images, with the rules of the service, beside a model of what is stored. */
export function describeCoreRules(name: string, createFixture: CreateFixture, numRuns = MANY_RUNS): void {
  it(
    `${name} stores the ledger, the outbox and the removed names that the rules of the core give, over restarts`,
    async () => {
      const seen = new Set<string>();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => walk(createFixture, steps, seen)),
        { numRuns, examples: [[CANCELLED_TOO_LATE]] },
      );
      if (numRuns < MANY_RUNS) return;
      // A change that no walk reaches would not be tested.
      const reached = [
        'image.succeeded',
        'image.failed',
        'image.cancelled',
        'picture_kept',
        'remove',
        'rerun',
        'restart',
      ];
      expect(reached.filter((what) => !seen.has(what))).toEqual([]);
    },
    // Each walk opens a database some three times.
    9 * LONGEST_WAIT_MS,
  );
}

/** Takes the steps on an empty database, beside a model of it in memory, and compares the two after each. */
async function walk(createFixture: CreateFixture, steps: readonly Step[], seen: Set<string>): Promise<void> {
  let deliveries = 0;
  const derive = createDerive({ webhookUrls, randomId: () => `${deliveries++}` });
  const fixture = await createFixture(derive);
  let records = await fixture.open();

  const images = new Map<string, Image>();
  const spentByRemoved: Spending[] = [];
  let outbox: readonly { readonly sent: NewDelivery; readonly image: Image }[] = [];
  const deletions = new Map<string, Deletion>();
  /** Every name that an image of the walk has owned. */
  const names = new Set<string>();

  const put = (before: Image | null, after: Image) => {
    images.set(after.mediaId, after);
    const { delivery: sent, ownedNames } = derive(before, after);
    if (sent) outbox = [...outbox, { sent, image: after }];
    if (sent) seen.add(sent.delivery.type);
    for (const name of ownedNames) names.add(name);
    for (const { code } of after.warnings) seen.add(code);
  };

  const take = async (taken: Step): Promise<void> => {
    const { action, mediaId } = taken;
    const before = images.get(mediaId);
    if (action === 'restart') {
      await records.close();
      records = await fixture.open();
    } else if (action === 'delete files') {
      await records.deletionDone(mediaId);
      deletions.delete(mediaId);
    } else if (before === undefined) {
      const image = newImage(taken);
      const acceptance = records.accept(image, Number.POSITIVE_INFINITY);
      if (deletions.has(mediaId)) return expect(acceptance).rejects.toMatchObject({ code: 'storage_unavailable' });
      expect(await acceptance).toEqual({ outcome: 'accepted' });
      put(null, image);
    } else if (action === 'remove') {
      const deletion = { mediaId, names: derive(before, null).ownedNames };
      expect(await records.remove(mediaId)).toEqual(deletion);
      deletions.set(mediaId, deletion);
      images.delete(mediaId);
      // A removed image leaves what its calls cost, as a cancelled one does, and frees what it reserved.
      spentByRemoved.push(...derive(null, { ...before, status: 'cancelled' }).ledger);
    } else {
      const after = changed(before, taken);
      const change = (image: Image) => changed(image, taken);
      expect(
        action === 'rerun'
          ? await records.requeue(mediaId, Number.POSITIVE_INFINITY, change)
          : await records.update(mediaId, change),
      ).toEqual(after ?? before);
      if (after === null) return;
      put(before, after);
    }
    seen.add(action);
  };

  try {
    for (const taken of steps) {
      await take(taken);

      const present = [...images.values()].flatMap((image) => derive(null, image).ledger);
      const expected = [...spentByRemoved, ...present];
      expect(sums(await records.spending('2026-01-01', null))).toEqual(
        sums(expected.filter(({ day }) => day !== null)),
      );
      for (const owner of ['anna', 'bert', 'carl']) {
        const reservations = expected.filter((entry) => entry.day === null && entry.owner === owner);
        const reserved = reservations.reduce((sum, { microUsd }) => sum + microUsd, 0);
        expect((await records.balance('2026-01-01', owner)).reserved).toBe(reserved);
      }

      expect(await pendingDeliveries(records.outbox)).toEqual(
        outbox.map(({ sent, image }) => entryOf(sent, image)).sort(),
      );

      expect(await records.pendingDeletions()).toEqual(
        [...deletions.values()].sort((one, other) => (one.mediaId < other.mediaId ? -1 : 1)),
      );
      const owned = new Set([
        ...[...images.values()].flatMap((image) => derive(image, image).ownedNames),
        ...[...deletions.values()].flatMap((deletion) => deletion.names),
      ]);
      expect(await records.ownedNames([...names])).toEqual(owned);
    }
  } finally {
    await records.close();
    await fixture.dispose();
  }
}

function newImage({ mediaId, owner, usd, second }: Step): Image {
  const webhookUrl = owner === 'bert' ? 'https://example.com/hook' : null;
  return accepted({
    mediaId,
    owner,
    idempotencyKey: null,
    traceparent: null,
    request: aRequest({ renditions: [RENDITION], webhookUrl }),
    createdAt: at(second),
    expiresAt: null,
    planned: anImage(),
    estimate: costOf(usd),
  });
}

/** The image after the step, by the functions that the service calls; null where the step is not legal. */
function changed(image: Image, { action, usd, second }: Step): Image | null {
  const { mediaId, attempts } = image;
  const cost = costOf(usd);
  const id = attempts.findLast(({ durationMs }) => durationMs === null)?.id ?? 'none';
  const end = { durationMs: 1, httpStatus: null, providerRequestId: null };
  switch (action) {
    case 'open': {
      const attempt = { ...anAttempt(`t${attempts.length}`), run: image.run, startedAt: at(second), cost };
      return opened(image, attempt, image);
    }
    case 'arrive': {
      const original = { name: originalName(mediaId, id), bytes: 1_000, sha256: id, sound: true };
      const picture = { ...end, at: at(second), original, revisedPrompt: null, cost };
      return received(image, id, picture) ?? keptAfterCancel(image, id, picture);
    }
    case 'end':
      return closed(image, id, { ...end, outcome: usd === null ? 'unknown' : 'failed' });
    case 'finish': {
      const thumbnail = aFile(thumbnailName(mediaId), 5);
      const result = { thumbnail, thumbhash: null, dominantColour: null, checks: [], warnings: [] };
      const parts = { ...result, master: aFile(masterName(mediaId, 'png'), 10), renditions: [], pending: [RENDITION] };
      return finished(image, parts, at(second));
    }
    case 'fail':
      return failed(
        image,
        { error: { code: 'provider_failed', detail: '' }, checks: [], rejected: usd === null },
        at(second),
      );
    case 'cancel':
      return cancelled(image, at(second));
    case 'rerun':
      return rerun(image, {
        planned: image,
        estimate: cost,
        traceparent: null,
        requestedAt: at(second),
        expiresAt: null,
        mayCostAgain: true,
      });
    default:
      throw new Error(`${action} is no change of an image`);
  }
}

function costOf(usd: number | null): Cost {
  return { usd, basis: usd === null ? 'unknown' : 'estimate' };
}

/** Sums of ledger entries by day, owner and model: images, microdollars, unpriced calls. */
function sums(entries: readonly Spending[]): ReadonlyMap<string, readonly number[]> {
  const sum = new Map<string, number[]>();
  for (const { day, owner, model, images, microUsd, unpriced } of entries) {
    const key = `${day} ${owner} ${model}`;
    const [a = 0, b = 0, c = 0] = sum.get(key) ?? [];
    sum.set(key, [a + images, b + microUsd, c + unpriced]);
  }
  return new Map([...sum].filter(([, counts]) => counts.some((count) => count !== 0)).sort());
}

/** All deliveries in the outbox, each with its receiver and its image. */
async function pendingDeliveries(outbox: RecordStore['outbox']): Promise<readonly string[]> {
  const found: { readonly id: string; readonly entry: string }[] = [];
  for (;;) {
    const next = await outbox.next({ ids: found.map(({ id }) => id), receivers: [] }, Infinity);
    if (next === null) return found.map(({ entry }) => entry).sort();
    found.push({ id: next.delivery.id, entry: entryOf(next, next.image) });
  }
}

/** As text, without its id, which is a new one each time that the rules are asked. */
function entryOf({ delivery, receiver }: NewDelivery, image: Image): string {
  return JSON.stringify({ ...delivery, id: '', receiver, image });
}
