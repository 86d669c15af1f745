import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import type { SpendingGuard } from '../../../src/core/domain/money.ts';
import { anImage, aRequest, at } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeOutbox({ records, restart, store, finish }: OpenedRecords): void {
  describe('the outbox', () => {
    const hooked = (mediaId: string, webhookUrl = 'https://example.com/hook') =>
      anImage({ mediaId, request: aRequest({ webhookUrl }) });
    const none = { ids: [], receivers: [] };

    it('gets a delivery only from the write that causes one, and keeps it over a restart', async () => {
      let news = 0;
      records().outbox.onNew(() => news++);
      await store(hooked('a'), anImage({ mediaId: 'silent' }));
      await records().update('a', (image) => ({ ...image, status: 'processing' }));
      expect([await records().outbox.list('a'), news]).toEqual([[], 0]);
      await finish('a');
      await finish('silent');
      await records().update('a', (image) => ({ ...image, renditions: [] }));
      expect(news).toBe(1);

      await restart();
      const [delivery, ...more] = await records().outbox.list('a');
      expect([more, await records().outbox.list('silent')]).toEqual([[], []]);
      expect(delivery).toMatchObject({ mediaId: 'a', type: 'image.succeeded', status: 'pending', attempts: [] });
      expect(await records().outbox.next(none)).toEqual({
        delivery,
        image: await records().get('a'),
        receiver: 'example.com',
        dueAt: Date.parse(delivery?.nextAttemptAt ?? ''),
      });
    });

    it('gets no delivery from a write that is rolled back', async () => {
      await store(hooked('a'));
      const guard: SpendingGuard = {
        day: '2026-11-23',
        check() {
          throw new ImageError('budget_exhausted', 'no more');
        },
      };
      const end = (image: Image): Image => ({
        ...image,
        status: 'failed',
        estimate: { usd: 1, basis: 'estimate' },
      });
      await expect(records().update('a', end, guard)).rejects.toThrow('no more');
      expect(await records().outbox.list('a')).toEqual([]);
    });

    it('returns the delivery that is due first, and skips busy deliveries and receivers', async () => {
      await store(hooked('a'), hooked('b', 'http://other.example:81/x'), hooked('c'));
      for (const mediaId of ['a', 'b', 'c']) await finish(mediaId);
      const ids: Record<string, string> = {};
      for (const [minute, mediaId] of ['c', 'a', 'b'].entries()) {
        const [{ id } = { id: '' }] = await records().outbox.list(mediaId);
        ids[mediaId] = id;
        await records().outbox.update(id, (delivery) => ({ ...delivery, nextAttemptAt: at(minute) }));
      }
      const next = async (busy: Partial<typeof none> | { ids: string[] } | { receivers: string[] }) =>
        (await records().outbox.next({ ...none, ...busy }))?.delivery.mediaId;
      expect(await next({})).toBe('c');
      expect(await next({ ids: [ids.c ?? ''] })).toBe('a');
      expect(await next({ receivers: ['example.com'] })).toBe('b');
      expect(await next({ receivers: ['example.com', 'other.example:81'] })).toBeUndefined();
      await records().outbox.update(ids.c ?? '', (delivery) => ({
        ...delivery,
        status: 'delivered',
        nextAttemptAt: null,
      }));
      expect(await next({})).toBe('a');
    });

    it('lists every delivery of an image, newest first, and none once the image is removed', async () => {
      await store(hooked('a'));
      await records().update('a', (image) => ({ ...image, status: 'failed' }));
      await records().update('a', (image) => ({ ...image, status: 'queued' }));
      await finish('a');
      const deliveries = await records().outbox.list('a');
      expect(deliveries.map(({ type }) => type)).toEqual(['image.succeeded', 'image.failed']);
      await records().remove('a');
      expect([await records().outbox.list('a'), await records().outbox.next(none)]).toEqual([[], null]);
      expect(await records().outbox.update(deliveries[0]?.id ?? '', (delivery) => delivery)).toBeNull();
    });
  });
}
