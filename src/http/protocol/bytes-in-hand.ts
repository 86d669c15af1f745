import { ProblemError } from './problem.ts';

/** Room for the bodies of all requests together: each that is read into memory takes its share, chunk by chunk. */
export interface BytesInHand {
  /** The share of one body, which is empty at first. Disposing of it gives back the room; again does nothing. */
  open(): BytesShare;
  /** How many bytes are taken. */
  readonly bytes: number;
}

interface BytesShare extends Disposable {
  /** Takes room for more bytes. Raises `queue_full` where there is none, and takes nothing then. */
  readonly add: (bytes: number) => void;
}

/** As the answer under overload says: less would bring the same clients back at once. */
const RETRY_AFTER_SECONDS = 5;

/** Room for `maxBytes`. */
export function createBytesInHand(maxBytes: number): BytesInHand {
  let taken = 0;
  return {
    get bytes() {
      return taken;
    },
    open() {
      let own = 0;
      return {
        add(bytes) {
          if (taken + bytes > maxBytes) {
            const detail = 'the service has as many uploads in hand as it can hold; nothing was accepted or paid';
            throw new ProblemError({ code: 'queue_full', detail, retryAfter: RETRY_AFTER_SECONDS });
          }
          taken += bytes;
          own += bytes;
        },
        [Symbol.dispose]() {
          taken -= own;
          own = 0;
        },
      };
    },
  };
}
