import { LRUCache } from 'lru-cache';
import type { Image } from '../../../core/domain/image.ts';
import type { StoredImage } from '../rows.ts';

/** Most images in the cache; a popular picture is requested thousands of times a second. */
const MAX_IMAGES = 500;

/** Images as they are stored. No other process writes to the file, and every write of this one sets or drops its image. */
export interface ImageCache {
  get(mediaId: string): StoredImage | undefined;
  set(mediaId: string, stored: StoredImage): void;
  delete(mediaId: string): void;
  clear(): void;
  /**
   * Notes that a query has shown this image, and gives it. A write is visible to queries before its thread has answered, and until then the
   * cache has the image as it was: what a query has shown, no later read takes back.
   */
  seen(image: Image): Image;
}

export function createImageCache(): ImageCache {
  const images = new LRUCache<string, StoredImage>({ max: MAX_IMAGES });
  return {
    get: (mediaId) => images.get(mediaId),
    set: (mediaId, stored) => void images.set(mediaId, stored),
    delete: (mediaId) => void images.delete(mediaId),
    clear: () => images.clear(),
    seen(image) {
      const { mediaId, status } = image;
      if (images.peek(mediaId)?.image.status !== status) images.delete(mediaId);
      return image;
    },
  };
}
