import { LRUCache } from 'lru-cache';
import type { MediaFile } from '../../core/domain/image.ts';
import type { PublishedPictures } from '../../core/images/published-file.ts';

/** A memory cache of popular files. */
export interface HotFiles {
  /** All bytes of a published file that is in memory; else null. */
  hit(file: MediaFile): Uint8Array | null;
  /** All bytes of a published file, or null when it has to be read from the store. Raises the errors of `PublishedPictures.read`. */
  bytesOf(file: MediaFile): Promise<Uint8Array | null>;
}

/** Largest share of the cache that a single file may take. */
const MAX_SHARE = 1 / 4;
/** How many hashes of requested files are remembered, to recognize a second request. */
const MAX_REMEMBERED = 10_000;

/**
 * An LRU cache of at most `maxBytes`; 0 switches it off. A file enters at its second request, so that a crawler, which requests
 * every file once, does not evict the popular ones.
 *
 * Entries are keyed by sha256, and callers take the hash from the current record: a picture that was deleted or made again is
 * no longer reachable, so entries need no invalidation.
 */
export function createHotFiles(pictures: Pick<PublishedPictures, 'read'>, maxBytes: number): HotFiles {
  if (maxBytes === 0) return { hit: () => null, bytesOf: async () => null };
  const requested = new LRUCache<string, true>({ max: MAX_REMEMBERED });
  const cached = new LRUCache<string, Uint8Array, MediaFile>({
    maxSize: maxBytes,
    maxEntrySize: Math.floor(maxBytes * MAX_SHARE),
    sizeCalculation: (bytes) => Math.max(1, bytes.length),
    // Concurrent requests for the same file share one read.
    fetchMethod: async (_sha256, _stale, { context }) => (await pictures.read(context)) ?? undefined,
  });
  return {
    hit: ({ sha256 }) => cached.get(sha256) ?? null,

    async bytesOf(file) {
      const { sha256, bytes } = file;
      const hit = cached.get(sha256);
      if (hit !== undefined) return hit;
      if (bytes > maxBytes * MAX_SHARE) return null;
      if (requested.has(sha256)) return (await cached.fetch(sha256, { context: file })) ?? null;
      requested.set(sha256, true);
      return null;
    },
  };
}
