import { mediaIdOf } from '../domain/file-names.ts';
import type { MediaFile } from '../domain/image.ts';
import type { ByteRange, MediaStore, OpenFile } from '../ports/media-store.ts';
import type { RecordStore } from '../ports/record-store.ts';

/** A published file and whose it is. */
export interface PublishedFile {
  readonly file: MediaFile;
  /** Name of the API key that made it. */
  readonly owner: string;
}

/**
 * The published pictures, by the names that their URLs have. A file is only given out under the hash that its record has:
 * files are looked up first and read later, and in between a picture may be deleted, or made again under its name.
 *
 * Raises `ImageError` with `storage_unavailable` where the records or the files cannot be read.
 */
export interface PublishedPictures {
  /** The file of a succeeded image that is published under this name, or null. */
  find(name: string): Promise<PublishedFile | null>;
  /** Opens a file that was found, whole or in part; null when it is no longer the published one. The caller closes it. */
  open(file: MediaFile, range?: ByteRange): Promise<OpenFile | null>;
  /** All bytes of a file that was found; null when it is no longer the published one. */
  read(file: MediaFile): Promise<Uint8Array | null>;
}

export interface PublishedPicturesDeps {
  readonly records: Pick<RecordStore, 'get'>;
  readonly store: Pick<MediaStore, 'open' | 'read'>;
}

export function createPublishedPictures({ records, store }: PublishedPicturesDeps): PublishedPictures {
  async function find(name: string): Promise<PublishedFile | null> {
    const mediaId = mediaIdOf(name);
    const image = mediaId === null ? null : await records.get(mediaId);
    if (image?.status !== 'succeeded') return null;
    const file = image.master?.name === name ? image.master : image.renditions.find((made) => made.name === name);
    return file ? { file, owner: image.owner } : null;
  }

  /**
   * Whether content of `bytes` bytes that is already open, or read, is the file that was found. Asked in this order because
   * a picture's record goes before its files, and files are only ever replaced whole: what the record still names after the
   * file was opened is what was opened.
   */
  async function isPublished(file: MediaFile, bytes: number): Promise<boolean> {
    if (bytes !== file.bytes) return false;
    const current = await find(file.name);
    return current?.file.sha256 === file.sha256;
  }

  return {
    find,

    async open(file, range) {
      const opened = await store.open(file.name, range);
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
      const bytes = await store.read(file.name);
      return bytes !== null && (await isPublished(file, bytes.length)) ? bytes : null;
    },
  };
}
