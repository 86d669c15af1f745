import { beforeEach, describe, expect, it } from 'vitest';
import type { Image } from '../../../src/core/domain/image.ts';
import { PINNED } from '../../../src/core/domain/life-cycle/pinning.ts';
import type { Place, RetentionQuery } from '../../../src/core/ports/record-store.ts';
import { anImage, aRequest, at, ms } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

/** An image that was made long before its present run, in an order that says nothing about the runs. */
function aRun(overrides: Partial<Image> & Pick<Image, 'mediaId' | 'requestedAt'>): Image {
  return anImage({ ...overrides, createdAt: at(-overrides.mediaId.length) });
}

export function describeExpiry({ records, store }: OpenedRecords): void {
  describe('expired', () => {
    beforeEach(async () => {
      await store(
        aRun({ mediaId: 'kept', status: 'succeeded', requestedAt: at(0), expiresAt: at(1000) }),
        aRun({ mediaId: 'due-late', status: 'succeeded', requestedAt: at(5), expiresAt: at(10) }),
        aRun({ mediaId: 'due-early', status: 'failed', requestedAt: at(2), expiresAt: at(20) }),
        aRun({ mediaId: 'old-b', status: 'cancelled', requestedAt: at(3) }),
        aRun({ mediaId: 'old-a', status: 'succeeded', requestedAt: at(3) }),
        aRun({ mediaId: 'young', status: 'succeeded', requestedAt: at(8) }),
        aRun({ mediaId: 'pinned', status: 'failed', requestedAt: at(1), expiresAt: at(1), pinned: true }),
        aRun({ mediaId: 'running', status: 'processing', requestedAt: at(1), expiresAt: at(2) }),
        aRun({ mediaId: 'waiting', status: 'queued', requestedAt: at(1) }),
      );
    });

    it.each<[string, Partial<RetentionQuery>, readonly string[]]>([
      ['nothing before its time', { now: ms(9) }, []],
      ['its own expiry, to the millisecond', { now: ms(10) }, ['due-late']],
      ['its own expiry, oldest first', { now: ms(20) }, ['due-early', 'due-late']],
      [
        'the age of the run, for what has no expiry of its own',
        { now: ms(9), requestedBefore: ms(3) },
        ['old-a', 'old-b'],
      ],
      ['both', { now: ms(99), requestedBefore: ms(8) }, ['due-early', 'old-a', 'old-b', 'due-late', 'young']],
      ['one status', { now: ms(99), requestedBefore: ms(8), status: 'succeeded' }, ['old-a', 'due-late', 'young']],
      ['no unfinished status', { now: ms(99), requestedBefore: ms(8), status: 'queued' }, []],
      ['a limit', { now: ms(99), requestedBefore: ms(8), limit: 2 }, ['due-early', 'old-a']],
      [
        'what comes after a place',
        { now: ms(99), requestedBefore: ms(8), limit: 2, after: { requestedAt: at(3), mediaId: 'old-a' } },
        ['old-b', 'due-late'],
      ],
    ])('finds by %s', async (_, query, expected) => {
      const found = await records().expired({
        now: ms(0),
        requestedBefore: null,
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
        aRun({ mediaId: 'c', status: 'succeeded', requestedAt: at(3), expiresAt: at(999) }),
        aRun({ mediaId: 'b', status: 'failed', requestedAt: at(2) }),
        aRun({ mediaId: 'a', status: 'cancelled', requestedAt: at(2) }),
        aRun({
          mediaId: 'pinned',
          status: 'succeeded',
          requestedAt: at(1),
          request: aRequest({ labels: [PINNED] }),
        }),
        aRun({ mediaId: 'pinned-too', status: 'failed', requestedAt: at(1), pinned: true }),
        aRun({ mediaId: 'running', status: 'processing', requestedAt: at(1) }),
      );
      const ids = async (limit: number, after: Place | null) =>
        (await records().oldest(limit, after)).map(({ mediaId }) => mediaId);
      expect(await ids(2, null)).toEqual(['a', 'b']);
      expect(await ids(2, { requestedAt: at(2), mediaId: 'b' })).toEqual(['c']);
      expect(await ids(9, null)).toEqual(['a', 'b', 'c']);
      const due = { now: ms(9999), requestedBefore: ms(9999), status: null, limit: 9, after: null };
      expect((await records().expired(due)).map(({ mediaId }) => mediaId)).toEqual(['a', 'b', 'c']);
    });
  });
}
