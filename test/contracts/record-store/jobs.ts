import { describe, expect, it } from 'vitest';
import { anImage, at } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeJobs({ records, restart, store }: OpenedRecords): void {
  describe('unfinished', () => {
    it('lists unfinished images, oldest first', async () => {
      const statuses = ['processing', 'succeeded', 'queued', 'failed', 'generating', 'cancelled'] as const;
      for (const [index, status] of statuses.entries()) {
        await store(anImage({ mediaId: status, status, createdAt: at(100 - index) }));
      }
      expect(await records().unfinished()).toEqual(['generating', 'queued', 'processing']);
      await restart();
      expect(await records().unfinished()).toEqual(['generating', 'queued', 'processing']);
    });

    it('lists images with pending renditions after the others, until none is pending', async () => {
      const pending = [{ width: 1200, height: 675, format: 'avif' as const }];
      await store(anImage({ mediaId: 'avif', status: 'succeeded', pending, createdAt: at(1) }));
      await store(anImage({ mediaId: 'new', status: 'queued', createdAt: at(2) }));
      expect(await records().unfinished()).toEqual(['new', 'avif']);
      expect((await records().get('avif'))?.pending).toEqual(pending);
      await records().update('avif', (image) => ({ ...image, pending: [] }));
      expect(await records().unfinished()).toEqual(['new']);
    });
  });
}
