import { describe, expect, it } from 'vitest';
import type { Image } from '../../../src/core/domain/image.ts';
import type { SpendingGuard, SpendingLimits } from '../../../src/core/domain/money.ts';
import type { CallQuery } from '../../../src/core/ports/record-store.ts';
import { anImage, at, ms } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

const DIGEST = 'd'.repeat(64);

/** `count` images of a call that is named by its first image. */
function aCall(id: string, count: number, overrides: Partial<Image> = {}): Image[] {
  return Array.from({ length: count }, (_, index) =>
    anImage({
      mediaId: index === 0 ? id : `${id}-${index}`,
      ...overrides,
      idempotencyKey: index === 0 ? (overrides.idempotencyKey ?? null) : null,
      call: { id, index, count, digest: DIGEST, ...overrides.call },
    }),
  );
}

export function describeCalls({ records, restart }: OpenedRecords): void {
  describe('several images accepted at once', () => {
    const accept = (images: readonly Image[], queueLimit = Number.POSITIVE_INFINITY, guard?: SpendingGuard) =>
      records().accept(images, queueLimit, guard);
    const stored = async () => await records().unfinished();

    it('are stored together, with what they cost, also after a restart', async () => {
      const call = aCall('a', 3, { estimate: { usd: 0.25, basis: 'estimate' }, owner: 'anna' });
      expect(await accept(call)).toEqual({ outcome: 'accepted' });
      await restart();
      for (const image of call) expect(await records().get(image.mediaId)).toEqual(image);
      expect(await records().countByStatus()).toMatchObject({ queued: 3 });
      expect((await records().balance('2026-01-01', 'anna')).reserved).toBe(750_000);
    });

    it('are none where a mediaId or key of one is taken, and the image that has it is the answer', async () => {
      const [first] = aCall('a', 1, { idempotencyKey: 'key' }) as [Image];
      await accept([first]);
      const same = (by: string) => ({ outcome: 'exists', by, image: first });
      expect(await accept(aCall('b', 3, { idempotencyKey: 'key' }))).toEqual(same('idempotencyKey'));
      const last = { ...first, idempotencyKey: null };
      expect(await accept([...aCall('c', 2), last])).toEqual(same('mediaId'));
      expect(await stored()).toEqual(['a']);
    });

    it('are none where the queue has no room for all of them', async () => {
      expect(await accept(aCall('a', 4), 3)).toEqual({ outcome: 'queue_full' });
      expect(await accept(aCall('a', 2), 3)).toEqual({ outcome: 'accepted' });
      expect(await accept(aCall('b', 2), 3)).toEqual({ outcome: 'queue_full' });
      expect(await accept(aCall('c', 1), 3)).toEqual({ outcome: 'accepted' });
      expect(await stored()).toEqual(['a', 'a-1', 'c']);
    });

    it('are none while the files of an image with one of their mediaIds are being removed', async () => {
      await accept(aCall('a', 2));
      await records().remove('a-1');
      await records().remove('a');
      await records().deletionDone('a');
      await expect(accept(aCall('a', 2))).rejects.toMatchObject({ code: 'storage_unavailable', mediaId: 'a-1' });
      expect(await stored()).toEqual([]);
    });

    it('are judged by the guard in sum: all or none', async () => {
      const guard = (limits: SpendingLimits): SpendingGuard => ({
        day: '2026-01-01',
        limitsOf: () => limits,
        check(_, { service, owner }) {
          if (service.reserved > (limits.service ?? Infinity) || owner.reserved > (limits.owner ?? Infinity))
            throw new Error(`${service.reserved} and ${owner.reserved} are too much`);
        },
      });
      const estimate = { usd: 1, basis: 'estimate' } as const;
      const limits = { service: 3_000_000, owner: null };
      await expect(accept(aCall('a', 4, { estimate }), Infinity, guard(limits))).rejects.toThrow(
        '4000000 and 4000000 are too much',
      );
      expect(await accept(aCall('b', 2, { estimate, owner: 'anna' }), Infinity, guard(limits))).toMatchObject({
        outcome: 'accepted',
      });
      const own = { service: null, owner: 1_000_000 };
      await expect(accept(aCall('c', 2, { estimate, owner: 'bert' }), Infinity, guard(own))).rejects.toThrow(
        '4000000 and 2000000 are too much',
      );
      expect(await stored()).toEqual(['b', 'b-1']);
      expect((await records().balance('2026-01-01', null)).reserved).toBe(2_000_000);
    });

    it('never exceed the limit of the queue, however many calls are concurrent', async () => {
      const asked = Array.from({ length: 30 }, (_, index) => accept(aCall(`m${index}`, 3), 7));
      expect((await Promise.all(asked)).filter(({ outcome }) => outcome === 'accepted')).toHaveLength(2);
      expect(await stored()).toHaveLength(6);
    });

    it('are accepted once, of 30 concurrent calls with the same mediaIds in any order', async () => {
      const asked = Array.from({ length: 30 }, (_, index) =>
        accept(index % 2 === 0 ? aCall('m', 3) : aCall('m', 3).reverse()),
      );
      expect((await Promise.all(asked)).filter(({ outcome }) => outcome === 'accepted')).toHaveLength(1);
      expect(await stored()).toEqual(['m', 'm-1', 'm-2']);
    });
  });

  describe('calls', () => {
    const store = async (...calls: readonly (readonly Image[])[]) => {
      for (const call of calls) await records().accept(call, Infinity);
    };
    const end = async (mediaId: string, seconds: number, status: 'succeeded' | 'failed' = 'succeeded') => {
      await records().update(mediaId, (image) => ({ ...image, status, completedAt: at(seconds) }));
    };
    const found = (query: Partial<CallQuery> = {}) =>
      records().findCalls({ owner: 'anonymous', digest: DIGEST, endedSince: ms(100), limit: 100, ...query });

    it('are found by their id, with the images that are still there in order', async () => {
      await store(aCall('a', 3), aCall('b', 1), [anImage({ mediaId: 'c' })]);
      const ids = async (id: string) => (await records().findCall(id)).map(({ mediaId }) => mediaId);
      expect(await ids('a')).toEqual(['a', 'a-1', 'a-2']);
      await records().remove('a');
      await restart();
      expect(await ids('a')).toEqual(['a-1', 'a-2']);
      expect(await ids('b')).toEqual(['b']);
      expect(await ids('c')).toEqual([]);
    });

    it('are found by owner and digest, oldest first', async () => {
      await store(
        aCall('b', 1, { createdAt: at(1) }),
        aCall('c', 2, { createdAt: at(2) }),
        aCall('a', 1, { createdAt: at(2) }),
        aCall('d', 1, { createdAt: at(0), idempotencyKey: 'key' }),
        aCall('e', 1, { owner: 'anna' }),
        aCall('f', 1, { call: { id: 'f', index: 0, count: 1, digest: 'other' } }),
        [anImage({ mediaId: 'g' })],
      );
      const open = { isKeyed: false, endedAt: null };
      const expected = [
        { id: 'd', isKeyed: true, endedAt: null },
        { id: 'b', ...open },
        { id: 'a', ...open },
        { id: 'c', ...open },
      ];
      expect(await found()).toEqual(expected);
      await restart();
      expect(await found()).toEqual(expected);
      expect(await found({ owner: 'anna' })).toEqual([{ id: 'e', ...open }]);
      expect(await found({ owner: 'bert' })).toEqual([]);
    });

    it('are found while an image is unfinished, and until the last has ended too long ago', async () => {
      await store(aCall('a', 2), aCall('b', 1));
      await end('a', 10);
      await end('b', 99);
      expect(await found()).toEqual([{ id: 'a', isKeyed: false, endedAt: null }]);
      await end('a-1', 150, 'failed');
      await end('b', 100);
      const all = [
        { id: 'a', isKeyed: false, endedAt: ms(150) },
        { id: 'b', isKeyed: false, endedAt: ms(100) },
      ];
      expect(await found()).toEqual(all);
      expect(await found({ endedSince: ms(101) })).toEqual(all.slice(0, 1));
      expect(await found({ endedSince: ms(151) })).toEqual([]);
      // Run again, it is open again; a repair leaves its end as it was.
      await records().update('a-1', (image) => ({ ...image, status: 'queued', completedAt: null }));
      await records().update('b', (image) => ({ ...image, status: 'processing' }));
      expect(await found({ endedSince: ms(151) })).toEqual([{ id: 'a', isKeyed: false, endedAt: null }]);
    });

    it('are looked at up to the limit: the unfinished ones, then those that ended last', async () => {
      await store(aCall('a', 1), aCall('b', 1), aCall('c', 1), aCall('d', 1));
      for (const [mediaId, seconds] of [
        ['a', 103],
        ['b', 101],
        ['d', 102],
      ] as const)
        await end(mediaId, seconds);
      const ids = async (limit: number) => (await found({ limit })).map(({ id }) => id);
      expect(await ids(1)).toEqual(['c']);
      expect(await ids(2)).toEqual(['a', 'c']);
      expect(await ids(3)).toEqual(['a', 'c', 'd']);
      expect(await ids(4)).toEqual(['a', 'b', 'c', 'd']);
    });
  });
}
