import { describe, expect, it } from 'vitest';
import { inputName } from '../../../src/core/domain/file-names.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import type { Input } from '../../../src/core/domain/input.ts';
import { anImage, aRequest } from './example-images.ts';
import type { OpenedRecords } from './fixture.ts';

const LOGO = 'a'.repeat(64);
const CHAIR = 'b'.repeat(64);
const NONE = 'c'.repeat(64);
const NAMES = [LOGO, CHAIR, NONE].map(inputName);

export function describeSharedNames({ records, restart, store }: OpenedRecords): void {
  describe('shared names', () => {
    it('are those that a record names, also after a restart and while it changes', async () => {
      await store(imageWith('a', [LOGO, CHAIR]), imageWith('b', [LOGO]), imageWith('c', []));
      const both = new Set([LOGO, CHAIR].map(inputName));
      expect(await records().ownedNames([...NAMES, 'a.png'])).toEqual(new Set([...both, 'a.png']));
      await restart();
      await records().update('a', (image) => ({ ...image, status: 'succeeded' }));
      expect(await records().ownedNames(NAMES)).toEqual(both);
      await records().update('a', (image) => ({ ...image, request: { ...image.request, inputs: [input(LOGO)] } }));
      expect(await records().ownedNames(NAMES)).toEqual(new Set([inputName(LOGO)]));
    });

    it('are counted by the images that name them, of one owner or of all', async () => {
      await store(imageWith('a', [LOGO, CHAIR], 'shop'), imageWith('b', [LOGO], 'blog'));
      const counts = (of: string | null) => records().countSharing(NAMES, of);
      expect(await counts(null)).toEqual(
        new Map([
          [inputName(LOGO), 2],
          [inputName(CHAIR), 1],
        ]),
      );
      expect(await counts('blog')).toEqual(new Map([[inputName(LOGO), 1]]));
      expect(await counts('other')).toEqual(new Map());
      expect(await records().countSharing([], null)).toEqual(new Map());
    });

    it('are in a deletion once no other record names them, and belong to nothing then', async () => {
      await store(imageWith('a', [LOGO, CHAIR]), imageWith('b', [LOGO]));
      const first = await records().remove('a');
      expect([...(first?.names ?? [])].sort()).toEqual(['a.old', 'a.png', inputName(CHAIR)]);
      expect(await records().pendingDeletions()).toEqual([first]);
      expect(await records().ownedNames(NAMES)).toEqual(new Set([inputName(LOGO)]));
      expect((await records().remove('b'))?.names).toContain(inputName(LOGO));
      expect(await records().ownedNames(NAMES)).toEqual(new Set());
      await store(imageWith('c', [LOGO]));
      expect(await records().ownedNames(NAMES)).toEqual(new Set([inputName(LOGO)]));
    });

    it('are not kept for an image that was not accepted', async () => {
      await store(imageWith('a', [LOGO]));
      expect(await records().accept(imageWith('a', [CHAIR]), Infinity)).toMatchObject({ outcome: 'exists' });
      expect(await records().accept(imageWith('b', [CHAIR]), 1)).toEqual({ outcome: 'queue_full' });
      expect(await records().ownedNames(NAMES)).toEqual(new Set([inputName(LOGO)]));
    });

    it('are in exactly one deletion where all images that name them are removed at once', async () => {
      const ids = ['a', 'b', 'c', 'd'];
      await store(...ids.map((id) => imageWith(id, [LOGO])));
      const deletions = await Promise.all(ids.map((id) => records().remove(id)));
      expect(deletions.filter((deletion) => deletion?.names.includes(inputName(LOGO)))).toHaveLength(1);
    });
  });
}

function imageWith(mediaId: string, inputs: readonly string[], owner = 'anonymous'): Image {
  return anImage({ mediaId, owner, request: aRequest({ inputs: inputs.map(input) }) });
}

function input(sha256: string): Input {
  return { sha256, bytes: 9, width: 8, height: 8, format: 'png', source: { sha256 } };
}
