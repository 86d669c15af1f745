import PQueue from 'p-queue';
import type { Logger } from 'pino';
import { DamagedOriginalError, faultFields, ImageError } from '../domain/errors.ts';
import { publishedAs, storedNameOf, thumbnailName } from '../domain/file-names.ts';
import type { Image, MediaFile } from '../domain/image.ts';
import { withThumbnail } from '../domain/life-cycle/transitions.ts';
import type { FinishedFile, Imaging } from '../ports/imaging.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { finishSpec } from './finish.ts';

/**
 * The thumbnail of a succeeded image as it is stored by then: the one that it has, else one that is made now from its original, or from
 * its master where that is lost, published and recorded. Null where no such image is left. Raises `storage_unavailable` where it cannot be
 * made.
 */
export type EnsureThumbnail = (mediaId: string) => Promise<MediaFile | null>;

interface ThumbnailDeps {
  readonly records: Pick<RecordStore, 'get' | 'update'>;
  readonly store: Pick<MediaStore, 'read' | 'publish' | 'remove'>;
  readonly imaging: Pick<Imaging, 'thumbnail'>;
  /** As that of `createFinish`. */
  readonly contentNames: boolean;
  readonly log: Logger;
}

/**
 * Makes the thumbnails that `finish` has not made: those of images of an older Easel, each at the first request of it, and those that
 * were lost. One at a time, as a page may ask for many at once and new pictures come first; requests for the same one share the work.
 */
export function createEnsureThumbnail({ records, store, imaging, contentNames, log }: ThumbnailDeps): EnsureThumbnail {
  const turns = new PQueue({ concurrency: 1 });
  const underWay = new Map<string, Promise<MediaFile | null>>();

  async function ensure(mediaId: string): Promise<MediaFile | null> {
    const image = await records.get(mediaId);
    if (image?.status !== 'succeeded' || image.master === null) return null;
    return image.thumbnail ?? (await publish(image, image.master));
  }

  async function publish(image: Image, master: MediaFile): Promise<MediaFile | null> {
    using made = await make(image, master).catch((error: unknown) => {
      log.error({ mediaId: image.mediaId, ...faultFields(error) }, 'a thumbnail could not be made');
      const detail = `the thumbnail of ${image.mediaId} cannot be made now`;
      throw new ImageError('storage_unavailable', detail, { mediaId: image.mediaId, cause: error });
    });
    const { bytes, width, height, format, sha256 } = made;
    if (bytes === null) throw new TypeError('a thumbnail is never the original itself');
    const names = publishedAs(thumbnailName(image.mediaId), sha256, contentNames);
    const file: MediaFile = { ...names, width, height, format, bytes: bytes.byteLength, sha256 };
    const name = storedNameOf(file);
    const record = (current: Image) => withThumbnail(current, master, file);
    const before = await records.get(image.mediaId);
    // Another image may have taken the mediaId meanwhile, and publish under this name.
    if (before === null || record(before) === null) return thumbnailOf(before);
    await store.publish([{ name, bytes }]);
    const latest = await records.update(image.mediaId, record);
    // Its deletion knows no name with a checksum that the record has not. Of an image that is there, a cleanup takes what is left over.
    if (latest === null) await store.remove([name]);
    return thumbnailOf(latest);
  }

  async function make(image: Image, master: MediaFile): Promise<FinishedFile & Disposable> {
    const { original } = image;
    if (original === null) throw new TypeError('a succeeded image has an original');
    const spec = finishSpec(image, original, [], false);
    return await imaging
      .thumbnail(() => read(original.name), spec, original.sha256)
      .catch((error: unknown) => {
        if (!(error instanceof DamagedOriginalError)) throw error;
        return imaging.thumbnail(() => read(storedNameOf(master)), spec, master.sha256);
      });
  }

  async function read(name: string): Promise<Uint8Array> {
    const bytes = await store.read(name);
    if (bytes === null) throw new DamagedOriginalError(`${name} is missing`);
    return bytes;
  }

  return (mediaId) => {
    const shared = underWay.get(mediaId) ?? turns.add(() => ensure(mediaId)).finally(() => underWay.delete(mediaId));
    underWay.set(mediaId, shared);
    return shared;
  };
}

function thumbnailOf(image: Image | null): MediaFile | null {
  return image?.status === 'succeeded' ? (image.thumbnail ?? null) : null;
}
