import type { Image } from '../domain/image.ts';

/**
 * Pub/sub of image changes. It keeps no history but the newest partial picture of a running call: subscribe first, then read the
 * record, and no change is missed.
 *
 * A listener gets the changes of its image in the order in which they were published. Between processes a change may be lost, so
 * they are hints: whatever has to be right is read from the record. No method raises, and there is nothing to close.
 */
export interface ImageEvents {
  /** Call after the change is durable; null for an image that is deleted. */
  publish(mediaId: string, image: Image | null): void;
  /**
   * True while a listener, in any process, takes the partial pictures of the image; else the model need not stream. False where this cannot
   * be found out.
   */
  wantsPartials(mediaId: string): Promise<boolean>;
  /**
   * Takes the partial pictures of a call that runs for an image. Each goes to the listeners that take them at that moment; the newest is
   * kept until the call is disposed of, and a listener that subscribes meanwhile gets it at once. Of a mediaId the latest call is kept.
   */
  openPartials(mediaId: string): CallPartials;
  /** Returns the function that ends the subscription; after that call the listener is not called again. */
  subscribe(mediaId: string, listener: ImageListener): () => void;
}

/** The partial pictures of one call. Dispose of it when the call has ended. */
export interface CallPartials extends Disposable {
  readonly sink: (bytes: Uint8Array, index: number) => void;
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
