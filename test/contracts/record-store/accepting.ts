import { describe, expect, it } from 'vitest';
import type { Image } from '../../../src/core/domain/image.ts';
import type { Acceptance } from '../../../src/core/ports/record-store.ts';
import { aFile, anAttempt, anImage, aRequest, at } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeAccepting({ records, restart, store }: OpenedRecords): void {
  describe('accept and get', () => {
    it('returns an image unchanged, also after a restart', async () => {
      const image = anImage({
        mediaId: 'a.b-c_1',
        idempotencyKey: 'key',
        expiresAt: at(60),
        attempts: [anAttempt('t1')],
        master: aFile('a.b-c_1.png', 10),
        request: aRequest({ prompt: 'ein Häuschen \u{1f3e0}\u0000\ud800', labels: ['x', 'x', 'y'] }),
      });
      await store(image);
      expect(await records().get('a.b-c_1')).toEqual(image);
      await restart();
      expect(await records().get('a.b-c_1')).toEqual(image);
      expect(await records().get('a.b-c_2')).toBeNull();
    });

    it('writes nothing where the mediaId is taken', async () => {
      const first = anImage({ mediaId: 'a', prompt: 'first' });
      await store(first);
      expect(await records().accept(anImage({ mediaId: 'a', prompt: 'second' }), Infinity)).toEqual({
        outcome: 'exists',
        by: 'mediaId',
        image: first,
      });
      expect(await records().get('a')).toEqual(first);
    });

    it('looks up an idempotency key among the images of its owner only', async () => {
      const first = anImage({ mediaId: 'a', owner: 'anna', idempotencyKey: 'key' });
      await store(first);
      const again = await records().accept({ ...first, mediaId: 'b' }, Infinity);
      expect(again).toEqual({ outcome: 'exists', by: 'idempotencyKey', image: first });
      expect(await records().get('b')).toBeNull();
      await store({ ...first, mediaId: 'c', owner: 'bert' }, { ...first, mediaId: 'd', idempotencyKey: null });
      await store({ ...first, mediaId: 'e', idempotencyKey: null });
      expect(await records().findByKey('anna', 'key')).toEqual(first);
      expect((await records().findByKey('bert', 'key'))?.mediaId).toBe('c');
      expect(await records().findByKey('anna', 'another')).toBeNull();
    });

    it('refuses images above the limit of the queue, and counts queued images only', async () => {
      await store(anImage({ mediaId: 'a' }), anImage({ mediaId: 'b', idempotencyKey: 'key' }));
      expect(await records().accept(anImage({ mediaId: 'c' }), 2)).toEqual({ outcome: 'queue_full' });
      expect(await records().get('c')).toBeNull();
      // A repeated request is answered although the queue is full.
      expect(await records().accept(anImage({ mediaId: 'a' }), 2)).toMatchObject({ outcome: 'exists' });
      expect(await records().accept(anImage({ mediaId: 'd', idempotencyKey: 'key' }), 2)).toMatchObject({
        outcome: 'exists',
      });
      await records().update('a', (image) => ({ ...image, status: 'generating' }));
      expect(await records().accept(anImage({ mediaId: 'c' }), 2)).toEqual({ outcome: 'accepted' });
      expect(await records().accept(anImage({ mediaId: 'e' }), 2)).toEqual({ outcome: 'queue_full' });
    });

    it.each([
      ['mediaId', (index: number) => anImage({ mediaId: 'same', prompt: `${index}` })],
      ['idempotencyKey', (index: number) => anImage({ mediaId: `m${index}`, idempotencyKey: 'same' })],
    ])('accepts one of 200 concurrent images with the same %s', async (by, make) => {
      const asked = Array.from({ length: 200 }, (_, index) => records().accept(make(index), Infinity));
      const answers: readonly Acceptance[] = await Promise.all(asked);
      expect(answers.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(1);
      const others = answers.filter((answer) => answer.outcome === 'exists');
      expect(others).toHaveLength(199);
      const [winner] = (await records().list({ limit: 10, owner: null })).items;
      for (const other of others) expect(other).toEqual({ outcome: 'exists', by, image: winner });
    });

    it('never exceeds the limit of the queue, however many calls are concurrent', async () => {
      const asked = Array.from({ length: 50 }, (_, index) => records().accept(anImage({ mediaId: `m${index}` }), 7));
      const answers = await Promise.all(asked);
      expect(answers.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(7);
      expect(await records().unfinished()).toHaveLength(7);
    });
  });

  describe('requeue', () => {
    const again = (image: Image): Image => ({ ...image, status: 'queued', run: image.run + 1 });

    it('never exceeds the limit of the queue, however many calls are concurrent', async () => {
      const failed = Array.from({ length: 20 }, (_, index) => anImage({ mediaId: `m${index}`, status: 'failed' }));
      await store(...failed);
      const answers = await Promise.all(failed.map(({ mediaId }) => records().requeue(mediaId, 7, again)));
      expect(answers.filter((answer) => answer === 'queue_full')).toHaveLength(13);
      expect(await records().unfinished()).toHaveLength(7);
      expect((await records().countByStatus()).failed).toBe(13);
    });

    it('behaves like update where there is room, or nothing to change', async () => {
      const image = anImage({ mediaId: 'a', status: 'failed' });
      await store(image);
      expect(await records().requeue('a', 0, () => null)).toEqual(image);
      expect(await records().requeue('none', 0, again)).toBeNull();
      expect(await records().requeue('a', 1, again)).toEqual(again(image));
      expect(await records().get('a')).toEqual(again(image));
    });
  });
}
