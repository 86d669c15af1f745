import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { type Image, type ImageStatus, PINNED } from '../../../src/core/domain/image.ts';
import type { Cost, Spending } from '../../../src/core/domain/money.ts';
import { cancelled, closed, keptAfterCancel, opened, received, rerun } from '../../../src/core/domain/transitions.ts';
import { createDerive } from '../../../src/core/images/derive.ts';
import type { Derived } from '../../../src/core/ports/record-store.ts';
import { aFile, anAttempt, anImage, aRequest, at, ms } from '../../contracts/record-store/example-images.ts';

const derive = createDerive({
  webhookUrls: new Map([['anna', 'http://owner.example:81/hook']]),
  randomId: () => 'aaaa-bbbb',
});

/** What is derived from a stored image without a change. */
const derivedOf = (image: Image): Derived => derive(image, image);

describe('the ledger', () => {
  /** Sums of ledger entries by day, owner and model: images, microdollars, unpriced calls. */
  const sums = (entries: readonly Spending[]): ReadonlyMap<string, readonly number[]> => {
    const sum = new Map<string, number[]>();
    for (const { day, owner, model, images, microUsd, unpriced } of entries) {
      const key = `${day} ${owner} ${model}`;
      const [a = 0, b = 0, c = 0] = sum.get(key) ?? [];
      sum.set(key, [a + images, b + microUsd, c + unpriced]);
    }
    return new Map([...sum].filter(([, counts]) => counts.some((count) => count !== 0)).sort());
  };

  const step = fc.record({
    id: fc.constantFrom('a', 'b', 'c'),
    owner: fc.constantFrom('anna', 'bert'),
    usd: fc.option(fc.integer({ min: 0, max: 90_000 }).map((micro) => micro / 1e6)),
    second: fc.integer({ min: 0, max: 3 * 86_400 }),
    action: fc.constantFrom('accept', 'open', 'ok', 'failed', 'unknown', 'cancel', 'rerun', 'remove'),
  });
  type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

  const costOf = ({ usd }: Step): Cost => ({ usd, basis: usd === null ? 'unknown' : 'estimate' });
  const end = { durationMs: 1, httpStatus: null, providerRequestId: null };
  const pictureOf = (id: string, cost: Cost) => ({
    ...end,
    original: { name: `originals/${id}`, bytes: 1, sha256: id, sound: false },
    revisedPrompt: null,
    cost,
  });

  /** The image after the step, by the functions that the use cases call; unchanged where the step is not legal. */
  const next = (image: Image, taken: Step): Image => {
    const { action, second } = taken;
    const cost = costOf(taken);
    const id = image.attempts.findLast(({ durationMs }) => durationMs === null)?.id ?? '';
    const opening = { ...anAttempt(`t${image.attempts.length}`), run: image.run, startedAt: at(second), cost };
    switch (action) {
      case 'open':
        return opened(image, opening, image) ?? image;
      case 'ok':
        return received(image, id, pictureOf(id, cost)) ?? keptAfterCancel(image, id, pictureOf(id, cost)) ?? image;
      case 'failed':
      case 'unknown':
        return closed(image, id, { ...end, outcome: action }) ?? image;
      case 'cancel':
        return cancelled(image, at(second)) ?? image;
      case 'rerun':
        return rerun(image, { planned: image, estimate: cost, traceparent: null }) ?? image;
      default:
        return image;
    }
  };

  it('always equals the sum of what the present and the removed records say, after any sequence of steps', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const known = new Map<string, Image>();
        const entered: Spending[] = [];
        const left: Spending[] = [];
        for (const taken of steps) {
          const before = known.get(taken.id) ?? null;
          if (before === null) {
            const made = anImage({ mediaId: taken.id, owner: taken.owner, estimate: costOf(taken) });
            entered.push(...derive(null, made).ledger);
            known.set(taken.id, made);
          } else if (taken.action === 'remove') {
            entered.push(...derive(before, null).ledger);
            left.push(...derive(null, { ...before, status: 'cancelled' }).ledger);
            known.delete(taken.id);
          } else {
            const after = next(before, taken);
            entered.push(...derive(before, after).ledger);
            known.set(taken.id, after);
          }
        }
        const present = [...known.values()].flatMap((image) => derive(null, image).ledger);
        expect(sums(entered)).toEqual(sums([...left, ...present]));
      }),
      { numRuns: 500 },
    );
  });

  it('has at most one entry per day, owner and model, and none where nothing changed', () => {
    const attempts = [anAttempt('t1'), anAttempt('t2')].map((attempt) => ({
      ...attempt,
      outcome: 'ok' as const,
      durationMs: 1,
      cost: { usd: 0.01, basis: 'usage' as const },
    }));
    const image = anImage({ status: 'succeeded', attempts });
    expect(derive(null, image).ledger).toEqual([
      { day: '2026-01-01', owner: 'anonymous', model: 'placeholder', images: 2, microUsd: 20_000, unpriced: 0 },
    ]);
    expect(derivedOf(image).ledger).toEqual([]);
  });

  const estimate: Cost = { usd: 0.02, basis: 'estimate' };
  const called = (image: Image): Image =>
    opened(image, { ...anAttempt(`t${image.attempts.length}`), cost: estimate }, image) ?? image;

  it('marks a change that spends more; the first call takes over the reservation of the queued image', () => {
    const queued = anImage({ estimate });
    const once = called(queued);
    const twice = called(once);
    const unpriced = anImage({ estimate: { usd: null, basis: 'unknown' } });
    expect([derive(null, queued), derive(queued, once), derive(once, twice)].map((one) => one.spendsMore)).toEqual([
      true,
      false,
      true,
    ]);
    expect(derive(null, unpriced).spendsMore).toBe(true);
    expect(derive(null, anImage()).spendsMore).toBe(false);
    // A call that ends spends its reservation, or frees it when it failed.
    const ended = received(once, 't0', pictureOf('t0', estimate));
    const failed = closed(once, 't0', { ...end, outcome: 'failed' });
    for (const after of [ended, failed, cancelled(once, at(1))]) {
      expect(derive(once, after)).toMatchObject({ ledger: [{}, ...(after === failed ? [] : [{}])], spendsMore: false });
    }
    // The first call was never closed, so it counts as spent; the second has a reservation of its own.
    expect(sums(derive(null, twice).ledger)).toEqual(
      new Map([
        ['2026-01-01 anonymous placeholder', [0, 20_000, 0]],
        ['null anonymous placeholder', [0, 20_000, 0]],
      ]),
    );
  });

  it('frees the reservation of a removed image, and spends the estimate of its running call', () => {
    const waiting = anImage({ estimate });
    const running = anImage({ status: 'generating', attempts: [{ ...anAttempt('t'), cost: estimate }] });
    const held = new Map([['null anonymous placeholder', [0, 20_000, 0]]]);
    expect([sums(derive(null, waiting).ledger), sums(derive(null, running).ledger)]).toEqual([held, held]);
    expect(sums(derive(waiting, null).ledger)).toEqual(new Map([['null anonymous placeholder', [0, -20_000, 0]]]));
    expect(sums(derive(running, null).ledger)).toEqual(
      new Map([
        ['2026-01-01 anonymous placeholder', [0, 20_000, 0]],
        ['null anonymous placeholder', [0, -20_000, 0]],
      ]),
    );
  });
});

describe('the delivery', () => {
  const hooked = anImage({ owner: 'bert', request: aRequest({ webhookUrl: 'https://example.com/hook' }) });
  const change = (image: Image, ...[from, to]: readonly [ImageStatus, ImageStatus]) =>
    derive({ ...image, status: from }, { ...image, status: to, completedAt: at(5) }).delivery;

  it('is created, due at once, by the change that ends an image and by no other', () => {
    expect(change(hooked, 'processing', 'succeeded')).toEqual({
      delivery: {
        id: 'msg_aaaabbbb',
        mediaId: 'image',
        type: 'image.succeeded',
        url: 'https://example.com/hook',
        status: 'pending',
        attempts: [],
        nextAttemptAt: at(5),
        series: { number: 1, tries: 0, firstAt: null },
      },
      receiver: 'example.com',
    });
    expect(change(hooked, 'queued', 'processing')).toBeNull();
    expect(change(hooked, 'succeeded', 'succeeded')).toBeNull();
    expect(derive(null, hooked).delivery).toBeNull();
    expect(derive(hooked, null).delivery).toBeNull();
  });

  it('is created again when a failed image that was requested again ends', () => {
    const types = [change(hooked, 'queued', 'failed'), change(hooked, 'failed', 'queued')];
    expect([...types, change(hooked, 'queued', 'succeeded')].map((made) => made?.delivery.type)).toEqual([
      'image.failed',
      undefined,
      'image.succeeded',
    ]);
  });

  it('goes to the URL of the request, else to that of the owner, else nowhere', () => {
    const urls = [hooked, { ...hooked, owner: 'anna' }, anImage({ owner: 'anna' }), anImage({ owner: 'bert' })].map(
      (image) => change(image, 'queued', 'failed'),
    );
    expect(urls.map((made) => [made?.delivery.url, made?.receiver])).toEqual([
      ['https://example.com/hook', 'example.com'],
      ['https://example.com/hook', 'example.com'],
      ['http://owner.example:81/hook', 'owner.example:81'],
      [undefined, undefined],
    ]);
  });
});

describe('the owned names', () => {
  const request = aRequest({
    renditions: [
      { width: 5, height: 6, format: 'webp' },
      { width: 7, height: 8, format: 'avif' },
    ],
  });
  const running = anImage({ mediaId: 'a', status: 'processing', request, attempts: [anAttempt('t1')] });
  const done = {
    ...running,
    status: 'succeeded',
    original: { name: 'originals/a~t1', bytes: 1, sha256: '', sound: true },
    master: aFile('a.png', 1),
    renditions: [aFile('a@5x6.webp', 1)],
  } satisfies Image;
  const possible = ['a.png', 'a@5x6.webp', 'a@7x8.avif', 'originals/a~t1'];

  test.each<[string, Image, readonly string[]]>([
    ['while it runs', running, possible],
    ['when it succeeded', done, ['a.png', 'a@5x6.webp', 'originals/a~t1']],
    ['when it failed', { ...running, status: 'failed' }, ['originals/a~t1']],
    ['when it was cancelled before a call', { ...running, status: 'cancelled', attempts: [] }, []],
    [
      'while a rendition is pending',
      { ...done, pending: request.renditions.slice(1) },
      ['a.png', 'a@5x6.webp', 'a@7x8.avif', 'originals/a~t1'],
    ],
  ])('are those that an image has or may still get, %s', (_, image, expected) => {
    expect([...derivedOf(image).ownedNames].sort()).toEqual(expected);
    expect([...derive(null, image).ownedNames].sort()).toEqual(expected);
  });

  it('of a removed image are all that it had or could have had', () => {
    for (const image of [running, done, { ...running, status: 'failed' } satisfies Image]) {
      expect([...derive(image, null).ownedNames].sort()).toEqual(possible);
    }
    const published = anImage({
      mediaId: 'a.b',
      attempts: [anAttempt('t1'), anAttempt('t2')],
      original: { name: 'originals/a.b~t2', bytes: 1, sha256: '', sound: true },
      request: aRequest({ format: 'jpeg', renditions: [{ width: 5, height: 6, format: 'webp' }] }),
    });
    const names = ['a.b.jpeg', 'a.b@5x6.webp', 'originals/a.b~t1', 'originals/a.b~t2'];
    expect([...derive(published, null).ownedNames].sort()).toEqual(names);
  });
});

describe('the columns', () => {
  it('count the bytes of equal files once', () => {
    const image = anImage({
      original: { name: 'originals/a~t', bytes: 1000, sha256: '', sound: true },
      master: aFile('a.png', 7),
      renditions: [aFile('a@1x1.png', 20), { ...aFile('a@2x2.png', 7), sha256: 'a.png' }],
    });
    expect(derivedOf(image).storedBytes).toBe(1000 + 7 + 20);
    expect(derivedOf(anImage()).storedBytes).toBe(0);
    expect(derive(image, null).storedBytes).toBe(0);
  });

  it('have the expiry in milliseconds, and `never` for pinned images', () => {
    const pinned = aRequest({ labels: ['x', PINNED] });
    expect(derivedOf(anImage({ expiresAt: at(60) })).expiresAt).toBe(ms(60));
    expect(derivedOf(anImage()).expiresAt).toBeNull();
    expect(derivedOf(anImage({ request: pinned })).expiresAt).toBe('never');
    expect(derivedOf(anImage({ request: pinned, expiresAt: at(60) })).expiresAt).toBe('never');
  });
});
