import { ImageError } from './errors.ts';

/** Room in memory for the pictures that all requests bring: each request takes its share, piece by piece. */
export interface BytesInHand {
  /** The share of one request, which is empty at first. */
  open(): HandOfBytes;
  /** How many bytes are taken. */
  readonly bytes: number;
  readonly limit: number;
}

/** The bytes of pictures that one request has in memory, until it is disposed of; again does nothing. */
export interface HandOfBytes extends Disposable {
  /**
   * Counts bytes in. Raises `queue_full` where they are too many together with those of other requests, and `payload_too_large` where they
   * always would be; it counts nothing then.
   */
  readonly add: (bytes: number) => void;
}

/** Seconds after which a request that found no room may be sent again; most pictures are accepted within one. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Bounds the pictures that all requests have in memory. Beyond the limit a request is refused, not made to wait: it would wait with what it
 * has in hand, for others that do the same.
 */
export function createBytesInHand(limit: number): BytesInHand {
  let taken = 0;
  return {
    limit,
    get bytes() {
      return taken;
    },
    open() {
      let own = 0;
      return {
        add(bytes) {
          refuseMore(own + bytes, limit);
          if (taken + bytes > limit) {
            throw new ImageError(
              'queue_full',
              'the pictures of other requests take all the memory that there is for them; nothing was accepted or paid',
              { retryAfterSeconds: RETRY_AFTER_SECONDS },
            );
          }
          own += bytes;
          taken += bytes;
        },
        [Symbol.dispose]() {
          taken -= own;
          own = 0;
        },
      };
    },
  };
}

/** Raises `payload_too_large` for a request whose pictures have more bytes than there is ever room for. */
export function refuseMore(bytes: number, limit: number): void {
  if (bytes <= limit) return;
  throw new ImageError(
    'payload_too_large',
    `the pictures of a request have at most ${limit} bytes together here (INPUT_MEMORY_BYTES); send fewer or smaller ones`,
  );
}
