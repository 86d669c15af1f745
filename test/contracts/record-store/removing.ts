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

    it('takes the record and notes every name that its deletion owns, until those files are gone', async () => {
      await store(published, anImage({ mediaId: 'other' }));
      const deletion = await records().remove('a.b');
      expect([...(deletion?.names ?? [])].sort()).toEqual(names);
      expect(await records().get('a.b')).toBeNull();
      expect(await listed({})).toEqual(['other']);
      await restart();
      expect(await records().pendingDeletions()).toEqual([deletion]);
      expect(await records().ownedNames([...names, 'a.b.jpeg'])).toEqual(new Set(names));
      expect(await records().remove('a.b')).toBeNull();
      await records().deletionDone('a.b');
      await records().deletionDone('a.b');
      expect(await records().pendingDeletions()).toEqual([]);
      expect(await records().ownedNames(names)).toEqual(new Set());
    });

    it('does not take the mediaId again before the old files are gone, as they bear the names of the new ones', async () => {
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
