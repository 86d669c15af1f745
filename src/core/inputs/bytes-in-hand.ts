import { ImageError } from '../domain/errors.ts';

/** The bytes of pictures that one request has in memory, until it is disposed of. */
export interface HandOfBytes extends Disposable {
  /** Counts bytes in. Raises `queue_full` where they are too many together with those of other requests. */
  add(bytes: number): void;
}

/** Seconds after which a request that found no room may be sent again; most pictures are accepted within one. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Bounds the pictures that all requests have in memory. Beyond the limit a request is refused, not made to wait: it would wait with what it
 * has in hand, for others that do the same. One that is alone is served whatever it takes, so that each can be in the end.
 */
export function createBytesInHand(limit: number): () => HandOfBytes {
  let total = 0;
  return () => {
    let own = 0;
    return {
      add(bytes) {
        if (total > own && total + bytes > limit) {
          throw new ImageError(
            'queue_full',
            'the pictures of other requests take all the memory that there is for them; nothing was accepted or paid',
            { retryAfterSeconds: RETRY_AFTER_SECONDS },
          );
        }
        own += bytes;
        total += bytes;
      },
      [Symbol.dispose]() {
        total -= own;
        own = 0;
      },
    };
  };
}
