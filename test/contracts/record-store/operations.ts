import { describe, expect, it } from 'vitest';
import type { StageCount } from '../../../src/core/ports/record-store.ts';
import { anImage, at } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeOperations({ records, restart, store }: OpenedRecords): void {
  describe('what operators are shown', () => {
    const count = (hour: number, bucket: number, number: number, stage = 'generate'): StageCount => ({
      hour,
      stage,
      bucket,
      count: number,
    });
    const counts = async (fromHour: number) =>
      (await records().stageCounts(fromHour))
        .map(({ stage, bucket, count }) => `${stage} ${bucket} ${count}`)
        .toSorted();

    it('sums how long stages took over hours and writes, keeps it over a restart, and forgets old hours', async () => {
      expect(await counts(0)).toEqual([]);
      await records().noteStages([count(10, 3, 1), count(11, 3, 2), count(11, 4, 1), count(11, 4, 5, 'store')], 0);
      await records().noteStages([count(11, 3, 4)], 0);
      await restart();
      expect(await counts(0)).toEqual(['generate 3 7', 'generate 4 1', 'store 4 5']);
      expect(await counts(11)).toEqual(['generate 3 6', 'generate 4 1', 'store 4 5']);
      await records().noteStages([], 11);
      expect(await counts(0)).toEqual(['generate 3 6', 'generate 4 1', 'store 4 5']);
    });

    it('loses none of the counts that are added at once', async () => {
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => records().noteStages([count(10, index % 2, 1), count(10, 9, 1)], 0)),
      );
      expect(await counts(0)).toEqual(['generate 0 10', 'generate 1 10', 'generate 9 20']);
    });

    it('says since when the queued image waits that was requested first', async () => {
      expect(await records().oldestQueued()).toBeNull();
      await store(
        anImage({ mediaId: 'runs', status: 'generating', createdAt: at(0), requestedAt: at(0) }),
        anImage({ mediaId: 'again', createdAt: at(1), requestedAt: at(9) }),
        anImage({ mediaId: 'first', createdAt: at(5), requestedAt: at(5) }),
        anImage({ mediaId: 'ended', status: 'failed', createdAt: at(2), requestedAt: at(2) }),
      );
      expect(await records().oldestQueued()).toBe(at(5));
      await records().update('first', (image) => ({ ...image, status: 'processing' }));
      expect(await records().oldestQueued()).toBe(at(9));
    });
  });
}
