import { describe, expect, it, test } from 'vitest';
import type { Image, ImageStatus } from '../../../src/core/domain/image.ts';
import type { Input } from '../../../src/core/domain/input.ts';
import { PINNED } from '../../../src/core/domain/life-cycle/pinning.ts';
import { createDerive } from '../../../src/core/images/derive.ts';
import { ledgerChanges } from '../../../src/core/money/ledger.ts';
import type { Derived } from '../../../src/core/ports/record-store.ts';
import { aFile, anAttempt, anImage, aRequest, at, ms } from '../../contracts/record-store/example-images.ts';

const derive = createDerive({
  webhookUrls: new Map([['anna', 'http://owner.example:81/hook']]),
  randomId: () => 'aaaa-bbbb',
});

/** What is derived from a stored image without a change. */
const derivedOf = (image: Image): Derived => derive(image, image);

describe('the ledger', () => {
  it('has the entries of the change, and marks those that spend more', () => {
    const estimate = { usd: 0.02, basis: 'estimate' } as const;
    const queued = anImage({ estimate });
    expect(derive(null, queued)).toMatchObject({ ledger: ledgerChanges(null, queued), spendsMore: true });
    expect(derive(queued, null)).toMatchObject({ ledger: ledgerChanges(queued, null), spendsMore: false });
    expect(derivedOf(queued)).toMatchObject({ ledger: [], spendsMore: false });
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
    thumbnail: aFile('a@thumb.webp', 1),
  } satisfies Image;
  const possible = ['a.png', 'a@5x6.webp', 'a@7x8.avif', 'a@thumb.webp', 'originals/a~t1'];

  test.each<[string, Image, readonly string[]]>([
    ['while it runs', running, possible],
    ['when it succeeded', done, ['a.png', 'a@5x6.webp', 'a@thumb.webp', 'originals/a~t1']],
    ['when an older Easel made it', { ...done, thumbnail: null }, ['a.png', 'a@5x6.webp', 'originals/a~t1']],
    ['when it failed', { ...running, status: 'failed' }, ['originals/a~t1']],
    ['when it was cancelled before a call', { ...running, status: 'cancelled', attempts: [] }, []],
    ['while a rendition is pending', { ...done, pending: request.renditions.slice(1) }, possible],
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
    const names = ['a.b.jpeg', 'a.b@5x6.webp', 'a.b@thumb.webp', 'originals/a.b~t1', 'originals/a.b~t2'];
    expect([...derive(published, null).ownedNames].sort()).toEqual(names);
  });
});

describe('the shared names', () => {
  const input = (sha256: string): Input => ({
    sha256,
    bytes: 9,
    width: 8,
    height: 8,
    format: 'png',
    source: { sha256 },
  });

  it('are those of the inputs and the mask, each once, before, during and after the life of an image', () => {
    const request = aRequest({ inputs: ['a', 'b', 'a'].map(input), mask: input('m') });
    const image = anImage({ request });
    const names = ['inputs/a', 'inputs/b', 'inputs/m'];
    for (const derived of [derive(null, image), derivedOf(image), derive(image, null)]) {
      expect(derived.sharedNames).toEqual(names);
      expect(derived.ownedNames.filter((name) => names.includes(name))).toEqual([]);
    }
    expect(derivedOf(anImage()).sharedNames).toEqual([]);
  });
});

describe('the columns', () => {
  it('have the expiry in milliseconds, and `never` for pinned images', () => {
    const pinned = aRequest({ labels: ['x', PINNED] });
    expect(derivedOf(anImage({ expiresAt: at(60) })).expiresAt).toBe(ms(60));
    expect(derivedOf(anImage()).expiresAt).toBeNull();
    expect(derivedOf(anImage({ request: pinned })).expiresAt).toBe('never');
    expect(derivedOf(anImage({ request: pinned, expiresAt: at(60) })).expiresAt).toBe('never');
    expect(derivedOf(anImage({ pinned: true, expiresAt: at(60) })).expiresAt).toBe('never');
  });
});
