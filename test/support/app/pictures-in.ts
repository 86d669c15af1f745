import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import { mediaIdOf } from '../../../src/core/domain/file-names.ts';
import type { MediaFile } from '../../../src/core/domain/image.ts';
import { createPublishedPictures, type PublishedPictures } from '../../../src/core/images/published-file.ts';
import { exampleImage } from './fake-images.ts';

/** Published pictures in the folder `root`, of the key `blog`: those whose entries `files` holds at the moment. */
export async function picturesIn(root: string, files: { values(): Iterable<MediaFile> }): Promise<PublishedPictures> {
  const records = {
    async get(mediaId: string) {
      const renditions = [...files.values()].filter(({ name }) => mediaIdOf(name) === mediaId);
      return renditions.length === 0 ? null : exampleImage({ mediaId, owner: 'blog', master: null, renditions });
    },
  };
  return createPublishedPictures({ records, store: await createDiskStore({ root }) });
}
