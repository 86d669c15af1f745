import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../../src/core/domain/delivery.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import type { SpendingGuard } from '../../../src/core/domain/money.ts';
import { KEPT_DELIVERIES } from '../../../src/core/ports/webhooks.ts';
import { anImage, aRequest, at, ms } from './example-images.ts';
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
      expect(await records().outbox.next(none, Infinity)).toEqual({
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
        limitsOf: () => ({ service: -1, owner: null }),
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
        (await records().outbox.next({ ...none, ...busy }, ms(1e6)))?.delivery.mediaId;
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

    it('lists every delivery of an image, newest first', async () => {
      await store(hooked('a'));
      await records().update('a', (image) => ({ ...image, status: 'failed' }));
      await records().update('a', (image) => ({ ...image, status: 'queued' }));
      await finish('a');
      const deliveries = await records().outbox.list('a');
      expect(deliveries.map(({ type }) => type)).toEqual(['image.succeeded', 'image.failed']);
    });

    const settle = (delivery: Delivery): Delivery => ({ ...delivery, status: 'delivered', nextAttemptAt: null });

    it('keeps a pending delivery when its image is removed, until it is settled, and shows it no more', async () => {
      await store(hooked('a'));
      await records().update('a', (image) => ({ ...image, status: 'failed' }));
      await records().update('a', (image) => ({ ...image, status: 'queued' }));
      await finish('a');
      const image = await records().get('a');
      const [pending, settled] = await records().outbox.list('a');
      await records().outbox.update(settled?.id ?? '', settle);
      await records().remove('a');
      await records().deletionDone('a');
      await restart();
      expect(await records().outbox.next(none, Infinity)).toMatchObject({ delivery: pending, image });
      expect(await records().outbox.update(settled?.id ?? '', settle)).toBeNull();

      await store(hooked('a'));
      expect(await records().outbox.list('a')).toEqual([]);
      const later = (delivery: Delivery) => ({ ...delivery, nextAttemptAt: at(9) });
      expect(await records().outbox.update(pending?.id ?? '', later)).toMatchObject({ nextAttemptAt: at(9) });
      expect(await records().outbox.update(pending?.id ?? '', settle)).toMatchObject({ status: 'delivered' });
      expect(await records().outbox.update(pending?.id ?? '', settle)).toBeNull();
      expect(await records().outbox.next(none, Infinity)).toBeNull();
    });

    it('keeps every pending delivery of an image, and the latest settled ones', async () => {
      await store(hooked('a'), hooked('b'));
      await finish('b');
      for (let n = 0; n < KEPT_DELIVERIES + 2; n += 1) {
        await records().update('a', (image) => ({ ...image, status: 'failed' }));
        await records().update('a', (image) => ({ ...image, status: 'queued' }));
      }
      const [newest, ...older] = await records().outbox.list('a');
      expect(older).toHaveLength(KEPT_DELIVERIES + 1);
      for (const { id } of older) await records().outbox.update(id, settle);
      const kept = (await records().outbox.list('a')).map(({ id }) => id);
      expect(kept).toEqual([newest, ...older.slice(0, KEPT_DELIVERIES)].map((delivery) => delivery?.id));
      expect(await records().outbox.list('b')).toHaveLength(1);
    });

    it('gives a claim to a delivery that is there and due, and ends it with the update', async () => {
      await store(hooked('a'));
      await finish('a');
      const [{ id } = { id: '' }] = await records().outbox.list('a');
      expect(await records().outbox.next(none, Infinity)).toMatchObject({ delivery: { id } });
      expect(await records().outbox.claim(id, 60_000)).toBe(true);
      const later = (delivery: Delivery) => ({ ...delivery, nextAttemptAt: at(9) });
      expect(await records().outbox.update(id, later)).toMatchObject({ nextAttemptAt: at(9) });
      expect(await records().outbox.next(none, Infinity)).toMatchObject({ delivery: { id }, dueAt: ms(9) });
      expect(await records().outbox.claim(id, 60_000)).toBe(true);
      await records().outbox.update(id, settle);
      expect(await records().outbox.claim(id, 60_000)).toBe(false);
      expect(await records().outbox.claim('none', 60_000)).toBe(false);
    });

    it('takes a delivery whose time is beyond the horizon before every other', async () => {
      await store(hooked('a'), hooked('b'));
      for (const mediaId of ['a', 'b']) await finish(mediaId);
      const [{ id } = { id: '' }] = await records().outbox.list('b');
      await records().outbox.update(id, (delivery) => ({ ...delivery, nextAttemptAt: at(86_400) }));
      const next = async (horizon: number) => (await records().outbox.next(none, horizon))?.delivery.mediaId;
      expect([await next(ms(86_400)), await next(ms(86_399))]).toEqual(['a', 'b']);
    });
  });
}
