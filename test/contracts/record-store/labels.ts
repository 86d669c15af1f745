import { describe, expect, it } from 'vitest';
import type { Image } from '../../../src/core/domain/image.ts';
import { anImage, aRequest } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

const labelled = (mediaId: string, owner: string, ...labels: readonly string[]): Image =>
  anImage({ mediaId, owner, request: aRequest({ labels }) });

export function describeLabels({ records, restart, store }: OpenedRecords): void {
  describe('labels', () => {
    it('are counted of each owner and of all, the most used first, then by name', async () => {
      await store(
        labelled('a', 'anna', 'red', 'blue'),
        labelled('b', 'anna', 'red'),
        labelled('c', 'bert', 'red', 'ärger', 'zoo'),
        labelled('d', 'bert'),
      );
      const all = [
        { label: 'red', images: 3 },
        { label: 'blue', images: 1 },
        { label: 'zoo', images: 1 },
        { label: 'ärger', images: 1 },
      ];
      expect(await records().labels(null, 9)).toEqual(all);
      expect(await records().labels(null, 2)).toEqual(all.slice(0, 2));
      expect(await records().labels('anna', 9)).toEqual([
        { label: 'red', images: 2 },
        { label: 'blue', images: 1 },
      ]);
      expect(await records().labels('carl', 9)).toEqual([]);
      await restart();
      expect(await records().labels(null, 9)).toEqual(all);
    });

    it('follow what becomes of the images', async () => {
      await store(labelled('a', 'anna', 'red', 'blue'), labelled('b', 'bert', 'red'));
      await records().update('a', (image) => ({ ...image, request: aRequest({ labels: ['blue', 'green'] }) }));
      expect(await records().labels(null, 9)).toEqual(['blue', 'green', 'red'].map((label) => ({ label, images: 1 })));
      // A change of the status and of nothing else.
      await records().update('a', (image) => ({ ...image, status: 'succeeded' }));
      await records().update('a', (image) => ({ ...image, owner: 'bert' }));
      expect(await records().labels('anna', 9)).toEqual([]);
      expect(await records().labels('bert', 9)).toHaveLength(3);
      await records().remove('a');
      expect(await records().labels('bert', 9)).toEqual([{ label: 'red', images: 1 }]);
      await records().remove('b');
      expect(await records().labels(null, 9)).toEqual([]);
      expect(await records().labels('bert', 9)).toEqual([]);
    });

    it('of images that are accepted together are counted', async () => {
      await records().accept([labelled('a', 'anna', 'red'), labelled('b', 'anna', 'red')], Infinity);
      await Promise.all(
        ['c', 'd', 'e', 'f'].map((mediaId) => records().accept(labelled(mediaId, 'anna', 'red'), Infinity)),
      );
      expect(await records().labels('anna', 9)).toEqual([{ label: 'red', images: 6 }]);
      await Promise.all(['a', 'b', 'c', 'd', 'e'].map((mediaId) => records().remove(mediaId)));
      expect(await records().labels(null, 9)).toEqual([{ label: 'red', images: 1 }]);
    });
  });
}
