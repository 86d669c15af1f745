import { mediaIdOf, storedNameOf } from '../domain/file-names.ts';
import type { MediaFile } from '../domain/image.ts';
import type { ByteRange, MediaStore, OpenFile, SignedUrlOptions } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';

/** A published file and its owner. */
export interface PublishedFile {
  readonly file: MediaFile;
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
}

export function createPublishedPictures({ records, store }: PublishedPicturesDeps): PublishedPictures {
  async function find(name: string): Promise<PublishedFile | null> {
    const mediaId = mediaIdOf(name);
    const image = mediaId === null ? null : await records.get(mediaId);
    if (image?.status !== 'succeeded') return null;
    const file =
      image.master?.name === name ? image.master : image.renditions.find((rendition) => rendition.name === name);
    return file ? { file, owner: image.owner } : null;
  }

  /**
   * True when content of `bytes` bytes that was already opened or read is the file that was found. The record is checked last
   * because it is removed before its files, and files are only replaced whole: a file that the record still lists after it was
   * opened is the one that was opened.
   */
  async function isPublished(file: MediaFile, bytes: number): Promise<boolean> {
    if (bytes !== file.bytes) return false;
    const current = await find(file.name);
    return current?.file.sha256 === file.sha256;
  }

  const signedUrl = store.signedUrl?.bind(store);

  return {
    find,

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
