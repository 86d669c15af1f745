import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Image } from '../../../src/core/domain/image.ts';
import { isPinned } from '../../../src/core/domain/life-cycle/pinning.ts';
import { createPatch } from '../../../src/core/images/patch.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { createManualClock } from '../../support/test-clock.ts';

/** The use case over one image that is stored as `current`, whatever it was when it was read. */
function scene(current: Image | null) {
  const clock = createManualClock();
  const stored: { image: Image | null } = { image: current };
  const patch = createPatch({
    records: {
      async update(_mediaId, change) {
        stored.image = stored.image && (change(stored.image) ?? stored.image);
        return stored.image;
      },
    },
    checkWebhookUrl: () => undefined,
    retentionByLabel: new Map([['short', 60_000]]),
    clock,
    log: pino({ level: 'silent' }),
  });
  return { patch, stored, clock };
}

const found = exampleImage({ mediaId: 'x' });

test('changes the image as it is stored by now, not as it was read', async () => {
  const current = exampleImage({ mediaId: 'x', thumbhash: 'newer', run: 2 });
  const { patch } = scene(current);
  const image = await patch(found, { labels: ['b', 'a', 'b'], metadata: null });
  expect(image).toEqual({ ...current, request: { ...current.request, labels: ['b', 'a'], metadata: {} } });
});

test('gives the label its retention, from the request on, and an own ttl its time from now', async () => {
  const { patch, clock } = scene(found);
  const later = (ms: number, from: number) => new Date(from + ms).toISOString();
  const requested = Date.parse(found.requestedAt);
  expect((await patch(found, { labels: ['short'] })).expiresAt).toBe(later(60_000, requested));
  expect((await patch(found, { ttlSeconds: 30 })).expiresAt).toBe(later(30_000, clock.now()));
  expect((await patch(found, { ttlSeconds: null })).expiresAt).toBe(later(60_000, requested));
});

test.each([
  ['by the field', { pinned: true }, exampleImage({ mediaId: 'x' })],
  ['by the label', { labels: ['pinned'] }, exampleImage({ mediaId: 'x' })],
])('pins %s, which ends its expiry', async (_, change, image) => {
  const { patch } = scene({ ...image, expiresAt: '2026-11-24T00:00:00.000Z' });
  const pinned = await patch(image, change);
  expect([isPinned(pinned), pinned.expiresAt]).toEqual([true, null]);
});

test.each([false, null])(
  'unpins with %s, whichever way the image was pinned, and its expiry is back',
  async (pinned) => {
    const labels = ['short', 'pinned'];
    const image = exampleImage({ mediaId: 'x', pinned: true, request: { ...found.request, labels } });
    const { patch } = scene(image);
    const next = await patch(image, { pinned });
    expect([isPinned(next), next.request.labels]).toEqual([false, ['short']]);
    expect(next.expiresAt).toBe(new Date(Date.parse(image.requestedAt) + 60_000).toISOString());
    // Also of labels that come with it.
    expect((await patch(image, { pinned, labels: ['pinned', 'a'] })).request.labels).toEqual(['a']);
  },
);

test('leaves the pin of the field as it is where it is not named', async () => {
  const { patch } = scene(exampleImage({ mediaId: 'x', pinned: true }));
  expect(isPinned(await patch(found, { labels: [], ttlSeconds: 60 }))).toBe(true);
});

test.each<[string, Image | null]>([
  ['is gone', null],
  ['was made again', exampleImage({ mediaId: 'x', createdAt: '2026-11-24T00:00:00.000Z' })],
  ["is another key's by now", exampleImage({ mediaId: 'x', owner: 'shop' })],
])('is a 404 that changes nothing where the image that was read %s', async (_, current) => {
  const { patch, stored } = scene(current);
  await expect(patch(found, { labels: ['a'] })).rejects.toMatchObject({ code: 'not_found' });
  expect(stored.image).toBe(current);
});
