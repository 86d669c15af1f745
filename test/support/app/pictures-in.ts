import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import { mediaIdOf } from '../../../src/core/domain/file-names.ts';
import type { MediaFile } from '../../../src/core/domain/image.ts';
import { createPublishedPictures, type PublishedPictures } from '../../../src/core/images/published-file.ts';
import type { MediaStore } from '../../../src/core/ports/media-store.ts';
import { exampleImage } from './fake-images.ts';

/** The published pictures of the key `blog` in the folder `root`: a file is published while `files` has its entry. */
export async function picturesIn(root: string, files: { values(): Iterable<MediaFile> }): Promise<PublishedPictures> {
  return picturesOf(await createDiskStore({ root }), files);
}

/** The published pictures of the key `blog` in a store: a file is published while `files` has its entry. */
export function picturesOf(store: MediaStore, files: { values(): Iterable<MediaFile> }): PublishedPictures {
  const records = {
    async get(mediaId: string) {
      const renditions = [...files.values()].filter(({ name }) => mediaIdOf(name) === mediaId);
      return renditions.length === 0 ? null : exampleImage({ mediaId, owner: 'blog', master: null, renditions });
    },
  };
  return createPublishedPictures({ records, store, ensureThumbnail: async () => null });
}
