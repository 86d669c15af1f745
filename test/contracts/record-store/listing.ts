import { beforeEach, describe, expect, it } from 'vitest';
import type { ListQuery } from '../../../src/core/ports/record-store.ts';
import { anImage, aRequest, at } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeListing({ records, store, finish, listed }: OpenedRecords): void {
  describe('list', () => {
    beforeEach(async () => {
      await store(
        // It was requested again later: the list goes by the first time.
        anImage({
          mediaId: 'one',
          createdAt: at(1),
          requestedAt: at(9),
          owner: 'anna',
          request: aRequest({ labels: ['red', 'blue'] }),
        }),
        anImage({
          mediaId: 'two-b',
          createdAt: at(2),
          requestedAt: at(7),
          owner: 'bert',
          request: aRequest({ labels: ['red'] }),
        }),
        anImage({ mediaId: 'two-a', createdAt: at(2), owner: 'anna' }),
        anImage({
          mediaId: 'three',
          createdAt: at(3),
          requestedAt: at(8),
          owner: 'anna',
          request: aRequest({ labels: ['red'] }),
        }),
      );
      await finish('two-a');
      await finish('three');
    });

    it.each<[string, Partial<ListQuery>, readonly string[]]>([
      ['everything, newest first, ties by mediaId', {}, ['three', 'two-b', 'two-a', 'one']],
      ['a limit', { limit: 2 }, ['three', 'two-b']],
      ['a status', { status: ['succeeded'] }, ['three', 'two-a']],
      ['a status that none has', { status: ['failed'] }, []],
      ['several statuses', { status: ['queued', 'failed', 'succeeded'] }, ['three', 'two-b', 'two-a', 'one']],
      ['several statuses of an owner', { status: ['queued', 'succeeded'], owner: 'anna' }, ['three', 'two-a', 'one']],
      ['several statuses of a label', { status: ['queued', 'failed'], label: ['red'] }, ['two-b', 'one']],
      ['a label', { label: ['red'] }, ['three', 'two-b', 'one']],
      ['a part of a label', { label: ['re'] }, []],
      ['an owner', { owner: 'anna' }, ['three', 'two-a', 'one']],
      ['from a time on', { createdAfter: at(2) }, ['three', 'two-b', 'two-a']],
      ['up to a time', { createdBefore: at(2) }, ['one']],
      ['a time of another zone', { createdBefore: '2026-01-01T02:00:02+02:00' }, ['one']],
      ['all at once', { owner: 'anna', label: ['red'], status: ['succeeded'], createdAfter: at(2) }, ['three']],
      ['label and time', { label: ['red'], createdAfter: at(2), createdBefore: at(3) }, ['two-b']],
    ])('gives %s', async (_, query, expected) => {
      expect(await listed(query)).toEqual(expected);
    });

    it.each<[string, Partial<ListQuery>, readonly string[]]>([
      ['all', {}, ['three', 'two-b', 'two-a', 'one']],
      ['a label', { label: ['red'] }, ['three', 'two-b', 'one']],
      ['an owner', { owner: 'anna' }, ['three', 'two-a', 'one']],
      ['a status', { status: ['succeeded'] }, ['three', 'two-a']],
      ['several statuses', { status: ['succeeded', 'queued'] }, ['three', 'two-b', 'two-a', 'one']],
      ['several statuses of a label', { status: ['succeeded', 'queued'], label: ['red'] }, ['three', 'two-b', 'one']],
    ])('pages through %s, one by one, without a gap or a duplicate', async (_, query, expected) => {
      const seen: string[] = [];
      let cursor: string | null | undefined;
      while (cursor !== null) {
        const page = await records().list({ limit: 1, owner: null, ...query, cursor });
        expect(page.items).toHaveLength(1);
        seen.push(...page.items.map(({ mediaId }) => mediaId));
        // Ends the test where a page is given again and again.
        expect(seen.length).toBeLessThanOrEqual(expected.length);
        cursor = page.nextCursor;
      }
      expect(seen).toEqual(expected);
    });

    it('continues at the same place while images are added and removed', async () => {
      const first = await records().list({ limit: 2, owner: null });
      await store(anImage({ mediaId: 'four', createdAt: at(4) }), anImage({ mediaId: 'two-c', createdAt: at(2) }));
      // Removes the image that the cursor was made from, and one after it.
      await records().remove('two-b');
      await records().remove('one');
      await store(anImage({ mediaId: 'two-0', createdAt: at(2) }));
      const second = await records().list({ limit: 2, owner: null, cursor: first.nextCursor ?? '' });
      expect(second.items.map(({ mediaId }) => mediaId)).toEqual(['two-a', 'two-0']);
      expect(second.nextCursor).toBeNull();
    });

    it('takes a cursor of a list with other filters for a place in time', async () => {
      const { nextCursor } = await records().list({ limit: 1, owner: null, label: ['red'] });
      expect(await listed({ cursor: nextCursor ?? '', owner: 'anna' })).toEqual(['two-a', 'one']);
      expect(await listed({ cursor: nextCursor ?? '', status: ['queued', 'succeeded'] })).toEqual([
        'two-b',
        'two-a',
        'one',
      ]);
    });

    it.each([
      ['nothing', ''],
      ['no base64url', '%%%'],
      ['no JSON', Buffer.from('hello').toString('base64url')],
      ['no pair', Buffer.from('{"createdAt":1}').toString('base64url')],
      ['a pair of other types', Buffer.from('["1","a"]').toString('base64url')],
      ['a third part', Buffer.from('[1,"a",2]').toString('base64url')],
      ['a NUL in the mediaId', Buffer.from('[1,"\\u0000"]').toString('base64url')],
      ['something behind it', `${Buffer.from('[1,"a"]').toString('base64url')}!`],
    ])('refuses a cursor that is %s', async (_, cursor) => {
      await expect(records().list({ limit: 1, owner: null, cursor })).rejects.toMatchObject({
        name: 'ImageError',
        code: 'invalid_request',
        paths: [{ path: 'cursor' }],
      });
    });
  });
}
