import type { Image } from '../domain/image.ts';

/** A partial picture, as models that stream send them. It is passed on to listeners and never stored. */
export interface PartialPicture {
  readonly mediaId: string;
  /** 0 for the first of a call; each is finer than the one before. */
  readonly index: number;
  readonly base64: string;
}

/** Called for one image. Neither function may raise, nor take long: the one who publishes waits for it. */
export interface ImageListener {
  /** The image as it now stands, or null once it is deleted. */
  changed(image: Image | null): void;
  /** Its presence asks for partial pictures. */
  readonly partial?: (picture: PartialPicture) => void;
}

/**
 * Pub/sub of image changes. It keeps no history: subscribe first, then read the record, and no change is missed.
 *
 * A listener gets the changes of its image in the order in which they were published. They are hints rather than a journal:
 * where they pass between processes one may be lost, so what has to be right is read from the record. Nothing here raises.
 */
export interface ImageEvents {
  /** Call after the change is durable; null for an image that is deleted. */
  publish(mediaId: string, image: Image | null): void;
  /**
   * Takes the partial pictures of one call, and passes them on to the listeners of the moment that ask for them; undefined
   * while there are none, so that the model need not stream.
   */
  partialSink(mediaId: string): ((bytes: Uint8Array, index: number) => void) | undefined;
  /** Gives the function that ends the subscription; once it is called, the listener is called no more. */
  subscribe(mediaId: string, listener: ImageListener): () => void;
}
