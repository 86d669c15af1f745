import { describe, expect, it } from 'vitest';
import { anAttempt, anImage, aRequest, at } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeUpdating({ records, restart, store, listed }: OpenedRecords): void {
  describe('update', () => {
    it('writes what the change returns, returns what is stored, and keeps it over a restart', async () => {
      await store(anImage({ mediaId: 'a' }));
      const updated = await records().update('a', (image) => ({ ...image, status: 'generating', thumbhash: 'x' }));
      expect(updated).toMatchObject({ mediaId: 'a', status: 'generating', thumbhash: 'x' });
      await restart();
      expect(await records().get('a')).toEqual(updated);
    });

    it('shows a change at once to whoever has read the image before', async () => {
      await store(anImage({ mediaId: 'a' }));
      await records().get('a');
      const updated = await records().update('a', (image) => ({ ...image, status: 'generating' }));
      expect(await records().get('a')).toEqual(updated);
      const requeued = await records().requeue('a', Infinity, (image) => ({ ...image, status: 'queued', run: 2 }));
      expect(await records().get('a')).toEqual(requeued);
      await records().remove('a');
      expect(await records().get('a')).toBeNull();
    });

    it('leaves the image unchanged where the change returns null or throws, and returns null where there is no image', async () => {
      const image = anImage({ mediaId: 'a' });
      await store(image);
      expect(await records().update('a', () => null)).toEqual(image);
      const fault = new Error('changed my mind');
      const failing = records().update('a', () => {
        throw fault;
      });
      await expect(failing).rejects.toBe(fault);
      await expect(records().update('a', () => ({ ...image, mediaId: 'b' }))).rejects.toThrow(TypeError);
      expect(await records().get('a')).toEqual(image);
      expect(await records().update('none', (other) => other)).toBeNull();
    });

    it('loses none of 100 concurrent changes', async () => {
      await store(anImage({ mediaId: 'a' }));
      const changes = Array.from({ length: 100 }, (_, index) =>
        records().update('a', (image) => ({ ...image, attempts: [...image.attempts, anAttempt(`t${index}`)] })),
      );
      await Promise.all(changes);
      const ids = (await records().get('a'))?.attempts.map(({ id }) => id);
      expect(new Set(ids).size).toBe(100);
    });

    it('updates the place of the image in lists when the fields they sort and filter by change', async () => {
      await store(anImage({ mediaId: 'a', createdAt: at(1) }), anImage({ mediaId: 'b', createdAt: at(2) }));
      const request = aRequest({ labels: ['late'] });
      await records().update('a', (image) => ({ ...image, createdAt: at(3), request, owner: 'anna' }));
      expect(await listed({ label: ['late'] })).toEqual(['a']);
      expect(await listed({ owner: 'anna' })).toEqual(['a']);
      expect(await listed({})).toEqual(['a', 'b']);
    });
  });
}
