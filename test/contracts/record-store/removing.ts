import { describe, expect, it } from 'vitest';
import { anAttempt, anImage } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeRemoving({ records, restart, store, listed }: OpenedRecords): void {
  describe('remove', () => {
    const published = anImage({
      mediaId: 'a.b',
      idempotencyKey: 'key',
      attempts: [anAttempt('t1'), anAttempt('t2')],
    });
    const names = ['a.b.old', 'a.b.png', 'originals/a.b~t1', 'originals/a.b~t2'];

    it('removes the record, and notes the names of its files until their deletion is done', async () => {
      await store(published, anImage({ mediaId: 'other' }));
      const deletion = await records().remove('a.b');
      expect([...(deletion?.names ?? [])].sort()).toEqual(names);
      expect(await records().get('a.b')).toBeNull();
      expect(await listed({})).toEqual(['other']);
      await restart();
      expect(await records().pendingDeletions()).toEqual([deletion]);
      expect(await records().pendingDeletions('a.b')).toEqual([deletion]);
      for (const another of ['other', 'a\0']) expect(await records().pendingDeletions(another)).toEqual([]);
      expect(await records().ownedNames([...names, 'a.b.jpeg'])).toEqual(new Set(names));
      expect(await records().remove('a.b')).toBeNull();
      await records().deletionDone('a.b');
      await records().deletionDone('a.b');
      expect(await records().pendingDeletions()).toEqual([]);
      expect(await records().ownedNames(names)).toEqual(new Set());
    });

    it('does not accept the mediaId again until the old files are deleted, since the new ones would have the same names', async () => {
      await store(published);
      await records().remove('a.b');
      await expect(records().accept(published, Infinity)).rejects.toMatchObject({
        code: 'storage_unavailable',
        mediaId: 'a.b',
        retryAfterSeconds: 1,
      });
      expect(await records().get('a.b')).toBeNull();
      await records().deletionDone('a.b');
      await store(published);
    });
  });
}
