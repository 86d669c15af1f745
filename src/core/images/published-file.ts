import { mediaIdOf, publishedFiles, storedNameOf, thumbnailName } from '../domain/file-names.ts';
import type { MediaFile } from '../domain/image.ts';
import { type SignedContent, thumbnailContent } from '../domain/record.ts';
import type { ByteRange, MediaStore, OpenFile, SignedUrlOptions } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';

/** A published file and its owner. */
export interface PublishedFile {
  /** Null for a thumbnail that is still to be made. */
  readonly file: MediaFile | null;
  /** What a signed URL of it is bound to. */
  readonly content: SignedContent;
  /** Name of the API key that requested the image. */
  readonly owner: string;
}

/**
 * The published pictures, by the file names in their URLs.
 *
 * A file is looked up first and read later, and in between its image may be deleted, or generated again under the same name.
 * So `open` and `read` give a file only while the record still has the hash that was found.
 *
 * Every method raises `ImageError` with `storage_unavailable` where the records cannot be read. `open` and `read` raise
 * `UnreadableFileError` where the file cannot be.
 */
export interface PublishedPictures {
  /** The file that a succeeded image publishes under this name, or null. */
  find(name: string): Promise<PublishedFile | null>;
  /** Makes the thumbnail that `find` found without a file; null where its image is gone. Raises `ImageError` where it cannot be made. */
  makeThumbnail(name: string): Promise<MediaFile | null>;
  /**
   * Opens a file that `find` returned, whole or in part; null when it is missing or no longer the published one. The caller
   * closes it.
   */
  open(file: MediaFile, range?: ByteRange): Promise<OpenFile | null>;
  /** All bytes of a file that `find` returned; null when it is missing or no longer the published one. */
  read(file: MediaFile): Promise<Uint8Array | null>;
  /** A URL of the store itself for a file that `find` returned, as `MediaStore` has it. Absent where the store has none. */
  signedUrl?(file: MediaFile, options: SignedUrlOptions): Promise<string>;
}

/** The store has a file but cannot read it. The store's own error, which may name a path of this machine, is only the cause. */
export class UnreadableFileError extends Error {
  override readonly name = 'UnreadableFileError';
}

interface PublishedPicturesDeps {
  readonly records: Pick<RecordStore, 'get'>;
  readonly store: Pick<MediaStore, 'open' | 'read' | 'signedUrl'>;
  /** The thumbnail of a succeeded image, made where it has none yet; null where there is no such image. */
  readonly ensureThumbnail: (mediaId: string) => Promise<MediaFile | null>;
}

export function createPublishedPictures({ records, store, ensureThumbnail }: PublishedPicturesDeps): PublishedPictures {
  async function find(name: string): Promise<PublishedFile | null> {
    const mediaId = mediaIdOf(name);
    const image = mediaId === null ? null : await records.get(mediaId);
    if (image?.status !== 'succeeded') return null;
    const { owner, master } = image;
    const file = publishedFiles(image).find((published) => published.name === name) ?? null;
    if (name === thumbnailName(image.mediaId))
      return master && { file, content: thumbnailContent(image, master), owner };
    return file && { file, content: file, owner };
  }

  /**
   * True when content of `bytes` bytes that was already opened or read is the file that was found. The record is checked last
   * because it is removed before its files, and files are only replaced whole: a file that the record still lists after it was
   * opened is the one that was opened.
   */
  async function isPublished(file: MediaFile, bytes: number): Promise<boolean> {
    if (bytes !== file.bytes) return false;
    const current = await find(file.name);
    return current?.file?.sha256 === file.sha256;
  }

  const signedUrl = store.signedUrl?.bind(store);

  return {
    find,

    async makeThumbnail(name) {
      const mediaId = mediaIdOf(name);
      return mediaId === null ? null : await ensureThumbnail(mediaId);
    },

    async open(file, range) {
      const opened = await store.open(storedNameOf(file), range).catch(hideCause(file));
      if (opened === null) return null;
      let published = false;
      try {
        published = await isPublished(file, opened.bytes);
        return published ? opened : null;
      } finally {
        if (!published) await opened.close();
      }
    },

    async read(file) {
      const bytes = await store.read(storedNameOf(file)).catch(hideCause(file));
      return bytes !== null && (await isPublished(file, bytes.length)) ? bytes : null;
    },

    ...(signedUrl && { signedUrl: (file, options) => signedUrl(file.stored ?? file.name, options) }),
  };
}

/** For `catch`: raises an error of the store as the cause of one that names no path. */
function hideCause({ name }: MediaFile): (error: unknown) => never {
  return (cause) => {
    throw new UnreadableFileError(`${name} cannot be read`, { cause });
  };
}
