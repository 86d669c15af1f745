import { describe, expect, it } from 'vitest';
import { anAttempt, anImage } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

export function describeOwnedNames({ records, restart, store }: OpenedRecords): void {
  describe('ownedNames', () => {
    const strange = [
      'a',
      'a.webp',
      'a.old',
      'a.png.png',
      'a@5x6.png',
      'originals/a~t2',
      'originals/a',
      'b.png',
      '.gitkeep',
      'notes.txt',
      '',
    ];

    it('returns the given names that belong to the current version of a record', async () => {
      await store(anImage({ mediaId: 'a' }));
      expect(await records().ownedNames(['a.png', 'originals/a~t1', ...strange])).toEqual(new Set(['a.png']));
      await records().update('a', (image) => ({ ...image, attempts: [anAttempt('t1')] }));
      expect(await records().ownedNames(['a.png', 'originals/a~t1', ...strange])).toEqual(
        new Set(['a.png', 'originals/a~t1']),
      );
      await restart();
      expect(await records().ownedNames(['originals/a~t1', ...strange])).toEqual(new Set(['originals/a~t1']));
      await records().update('a', (image) => ({ ...image, attempts: [] }));
      expect(await records().ownedNames(['a.png', 'originals/a~t1', ...strange])).toEqual(new Set(['a.png']));
    });

    it('distinguishes images where one mediaId is a prefix of another', async () => {
      await store(anImage({ mediaId: 'a' }), anImage({ mediaId: 'a.png' }));
      expect(await records().ownedNames(['a.png', 'a.png.png', 'a.png.png.png'])).toEqual(
        new Set(['a.png', 'a.png.png']),
      );
      await records().remove('a');
      await records().deletionDone('a');
      expect(await records().ownedNames(['a.png', 'a.png.png'])).toEqual(new Set(['a.png.png']));
    });
  });
}
