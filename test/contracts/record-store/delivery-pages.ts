import { describe, expect, it } from 'vitest';
import { DELIVERY_STATES, type Delivery, deliveryStateOf } from '../../../src/core/domain/delivery.ts';
import type { DeliveryQuery } from '../../../src/core/ports/webhooks.ts';
import { anImage, aRequest, at } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeDeliveryPages({ records, restart, store, finish }: OpenedRecords): void {
  describe('the pages of deliveries', () => {
    const everything: DeliveryQuery = { limit: 100, state: null, owner: null };
    const failedTry = { at: at(0), durationMs: 1, httpStatus: 500, error: 'the answer was 500' };
    const goodTry = { ...failedTry, httpStatus: 200, error: null };
    const ends: Record<string, Partial<Delivery>> = {
      untried: {},
      failing: { attempts: [goodTry, failedTry] },
      again: { attempts: [failedTry, goodTry] },
      delivered: { attempts: [failedTry, goodTry], status: 'delivered', nextAttemptAt: null },
      failed: { attempts: [failedTry], status: 'failed', nextAttemptAt: null },
      disabled: { attempts: [{ ...failedTry, httpStatus: 410 }], status: 'disabled', nextAttemptAt: null },
    };

    /** One delivery for each end, about an image of that name; those of every second one are bert's. */
    const fill = async (names = Object.keys(ends)) => {
      for (const [index, mediaId] of names.entries()) {
        const request = aRequest({ webhookUrl: 'https://example.com/hook' });
        await store(anImage({ mediaId, owner: index % 2 === 0 ? 'anna' : 'bert', request }));
        await finish(mediaId);
        const [{ id } = { id: '' }] = await records().outbox.list(mediaId);
        await records().outbox.update(id, (delivery) => ({ ...delivery, ...ends[mediaId] }));
      }
    };
    const idsOf = async (query: Partial<DeliveryQuery>) =>
      (await records().outbox.page({ ...everything, ...query })).items.map(({ mediaId }) => mediaId);

    it('are newest first, and over a restart by state and by owner, as the state of each delivery says', async () => {
      await fill();
      await restart();
      const { items, nextCursor } = await records().outbox.page(everything);
      expect(items.map(({ mediaId }) => mediaId)).toEqual(Object.keys(ends).toReversed());
      expect(nextCursor).toBeNull();
      expect(items[0]).toEqual((await records().outbox.list('disabled'))[0]);
      for (const state of DELIVERY_STATES) {
        const expected = items.filter((one) => deliveryStateOf(one) === state).map(({ mediaId }) => mediaId);
        expect(expected.length).toBeGreaterThan(0);
        expect(await idsOf({ state })).toEqual(expected);
      }
      expect(await idsOf({ state: 'failed' })).toEqual(['disabled', 'failed']);
      expect(await idsOf({ owner: 'bert' })).toEqual(['disabled', 'delivered', 'failing']);
      expect(await idsOf({ owner: 'anna', state: 'pending' })).toEqual(['again', 'untried']);
      expect(await idsOf({ owner: 'carl' })).toEqual([]);
    });

    it.each<Partial<DeliveryQuery>>([{}, { owner: 'anna' }, { state: 'pending' }, { state: 'pending', owner: 'anna' }])(
      'with %o go on where the last one ended, whatever is added or removed meanwhile',
      async (query) => {
        const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
        await fill(names);
        const all = await idsOf(query);
        const first = await records().outbox.page({ ...everything, ...query, limit: 2 });
        expect(first.items.map(({ mediaId }) => mediaId)).toEqual(all.slice(0, 2));
        await fill(['later', 'latest']);
        await records().outbox.update(first.items[1]?.id ?? '', (one) => ({
          ...one,
          ...ends.delivered,
        }));
        await records().remove(first.items[1]?.mediaId ?? '');
        const rest: string[] = [];
        for (let cursor = first.nextCursor; cursor !== null; ) {
          const page = await records().outbox.page({ ...everything, ...query, limit: 2, cursor });
          rest.push(...page.items.map(({ mediaId }) => mediaId));
          cursor = page.nextCursor;
        }
        expect(rest).toEqual(all.slice(2));
      },
    );

    it('have a pending delivery of an image that was removed, until it ends', async () => {
      await fill(['failing']);
      const [{ id } = { id: '' }] = await records().outbox.list('failing');
      await records().remove('failing');
      expect(await idsOf({ state: 'failing', owner: 'anna' })).toEqual(['failing']);
      await records().outbox.update(id, (one) => ({ ...one, ...ends.failed }));
      expect(await idsOf({})).toEqual([]);
    });

    it.each(['x', '', 'WzFd!', Buffer.from('[1,2]').toString('base64url'), Buffer.from('["1"]').toString('base64url')])(
      'refuse the cursor %j',
      async (cursor) => {
        await expect(records().outbox.page({ ...everything, cursor })).rejects.toMatchObject({
          code: 'invalid_request',
          paths: [{ path: 'cursor' }],
        });
      },
    );
  });
}
