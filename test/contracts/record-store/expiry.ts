import { beforeEach, describe, expect, it } from 'vitest';
import { PINNED } from '../../../src/core/domain/image.ts';
import type { Place, RetentionQuery } from '../../../src/core/ports/record-store.ts';
import { anImage, aRequest, at, ms } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeExpiry({ records, store }: OpenedRecords): void {
  describe('expired', () => {
    beforeEach(async () => {
      await store(
        anImage({ mediaId: 'kept', status: 'succeeded', createdAt: at(0), expiresAt: at(1000) }),
        anImage({ mediaId: 'due-late', status: 'succeeded', createdAt: at(5), expiresAt: at(10) }),
        anImage({ mediaId: 'due-early', status: 'failed', createdAt: at(2), expiresAt: at(20) }),
        anImage({ mediaId: 'old-b', status: 'cancelled', createdAt: at(3) }),
        anImage({ mediaId: 'old-a', status: 'succeeded', createdAt: at(3) }),
        anImage({ mediaId: 'young', status: 'succeeded', createdAt: at(8) }),
        anImage({ mediaId: 'running', status: 'processing', createdAt: at(1), expiresAt: at(2) }),
        anImage({ mediaId: 'waiting', status: 'queued', createdAt: at(1) }),
      );
    });

    it.each<[string, Partial<RetentionQuery>, readonly string[]]>([
      ['nothing before its time', { now: ms(9) }, []],
      ['its own expiry, to the millisecond', { now: ms(10) }, ['due-late']],
      ['its own expiry, oldest first', { now: ms(20) }, ['due-early', 'due-late']],
      ['age, for what has no expiry of its own', { now: ms(9), createdBefore: ms(3) }, ['old-a', 'old-b']],
      ['both', { now: ms(99), createdBefore: ms(8) }, ['due-early', 'old-a', 'old-b', 'due-late', 'young']],
      ['one status', { now: ms(99), createdBefore: ms(8), status: 'succeeded' }, ['old-a', 'due-late', 'young']],
      ['no unfinished status', { now: ms(99), createdBefore: ms(8), status: 'queued' }, []],
      ['a limit', { now: ms(99), createdBefore: ms(8), limit: 2 }, ['due-early', 'old-a']],
      [
        'what comes after a place',
        { now: ms(99), createdBefore: ms(8), limit: 2, after: { createdAt: at(3), mediaId: 'old-a' } },
        ['old-b', 'due-late'],
      ],
    ])('finds by %s', async (_, query, expected) => {
      const found = await records().expired({
        now: ms(0),
        createdBefore: null,
        status: null,
        limit: 100,
        after: null,
        ...query,
      });
      expect(found.map(({ mediaId }) => mediaId)).toEqual(expected);
      for (const image of found) expect(image).toEqual(await records().get(image.mediaId));
    });
  });

  describe('oldest', () => {
    it('pages through finished images that are not pinned, oldest first, whatever their expiry', async () => {
      await store(
        anImage({ mediaId: 'c', status: 'succeeded', createdAt: at(3), expiresAt: at(999) }),
        anImage({ mediaId: 'b', status: 'failed', createdAt: at(2) }),
        anImage({ mediaId: 'a', status: 'cancelled', createdAt: at(2) }),
        anImage({
          mediaId: 'pinned',
          status: 'succeeded',
          createdAt: at(1),
          request: aRequest({ labels: [PINNED] }),
        }),
        anImage({ mediaId: 'running', status: 'processing', createdAt: at(1) }),
      );
      const ids = async (limit: number, after: Place | null) =>
        (await records().oldest(limit, after)).map(({ mediaId }) => mediaId);
      expect(await ids(2, null)).toEqual(['a', 'b']);
      expect(await ids(2, { createdAt: at(2), mediaId: 'b' })).toEqual(['c']);
      expect(await ids(9, null)).toEqual(['a', 'b', 'c']);
      const due = { now: ms(9999), createdBefore: ms(9999), status: null, limit: 9, after: null };
      expect((await records().expired(due)).map(({ mediaId }) => mediaId)).toEqual(['a', 'b', 'c']);
    });
  });
}
