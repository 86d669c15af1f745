import type { Image } from '../domain/image.ts';

/**
 * Pub/sub of image changes. It keeps no history: subscribe first, then read the record, and no change is missed.
 *
 * A listener gets the changes of its image in the order in which they were published. Between processes a change may be lost, so
 * they are hints: whatever has to be right is read from the record. No method raises, and there is nothing to close.
 */
export interface ImageEvents {
  /** Call after the change is durable; null for an image that is deleted. */
  publish(mediaId: string, image: Image | null): void;
  /**
   * A function that passes the partial pictures of one call to the listeners that take them at that moment; undefined while there
   * are none, so that the model need not stream.
   */
  partialSink(mediaId: string): ((bytes: Uint8Array, index: number) => void) | undefined;
  /** Returns the function that ends the subscription; after that call the listener is not called again. */
  subscribe(mediaId: string, listener: ImageListener): () => void;
}

/** A subscriber to one image. Neither function may raise or take long, since the publisher waits for it. */
export interface ImageListener {
  /** The image as it is stored now, or null once it is deleted. */
  changed(image: Image | null): void;
  /** Set it to receive partial pictures; it makes the next call ask for streaming. */
  readonly partial?: (picture: PartialPicture) => void;
}

/** A partial picture of a model that streams. It is passed to listeners and never stored. */
export interface PartialPicture {
  readonly mediaId: string;
  /** 0 for the first of a call; each is finer than the one before. */
  readonly index: number;
  readonly base64: string;
}
