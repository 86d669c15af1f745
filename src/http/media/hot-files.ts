import { LRUCache } from 'lru-cache';
import type { MediaFile } from '../../core/domain/image.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';

/** The bytes of popular files, in memory. */
export interface HotFiles {
  /** All bytes of a file that was just found, or null if it has to be read from the store. */
  bytesOf(file: MediaFile): Promise<Uint8Array | null>;
}

/** A single file takes no more than this part of the room. */
const LARGEST_PART = 1 / 4;
/** How many files that were asked for once are remembered. */
const MOST_REMEMBERED = 10_000;

/**
 * Keeps what is asked for again, up to `maxBytes`; what was not asked for longest goes first. A file that is asked for
 * once is not kept, so that a crawler does not drive out what people look at.
 *
 * Bytes are kept by their sha256, and the record of the moment says which sha256 a name has: a picture that was deleted,
 * or made again under its name, is out of reach from then on, and nothing has to be told to forget it.
 */
export function createHotFiles(pictures: Pick<PublishedPictures, 'read'>, maxBytes: number): HotFiles {
  if (maxBytes === 0) return { bytesOf: async () => null };
  const askedFor = new LRUCache<string, true>({ max: MOST_REMEMBERED });
  const kept = new LRUCache<string, Uint8Array, MediaFile>({
    maxSize: maxBytes,
    maxEntrySize: Math.floor(maxBytes * LARGEST_PART),
    sizeCalculation: (bytes) => Math.max(1, bytes.length),
    // Those who ask while a file is being read share the one reading.
    // A file that cannot be read counts as not kept: the caller then opens it, and gets the error.
    fetchMethod: async (_sha256, _stale, { context }) => (await pictures.read(context).catch(() => null)) ?? undefined,
  });
  return {
    async bytesOf(file) {
      const { sha256, bytes } = file;
      const known = kept.get(sha256);
      if (known !== undefined) return known;
      if (bytes > maxBytes * LARGEST_PART) return null;
      if (askedFor.has(sha256)) return (await kept.fetch(sha256, { context: file })) ?? null;
      askedFor.set(sha256, true);
      return null;
    },
  };
}
