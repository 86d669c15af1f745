import type { Image } from '../domain/image.ts';
import type { ImageChange } from '../domain/image-change.ts';

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
  /** Hands a durable change to those who listen to all images, in every process. Call it once for each, in their order. */
  announce(change: ImageChange): void;
  /** Call it where a change may have been made that cannot be announced. */
  missed(): void;
  /**
   * True while a listener, in any process, takes the partial pictures of the image; else the model need not stream. False where this cannot
   * be found out.
   */
  wantsPartials(mediaId: string): Promise<boolean>;
  /**
   * Takes the partial pictures of a call that runs for an image. Each goes to the listeners that take them at that moment; the newest is
   * kept until the call is disposed of, and a listener that subscribes meanwhile gets it at once. Of a mediaId the latest call is kept.
   */
  openPartials(image: Pick<Image, 'mediaId' | 'owner'>): CallPartials;
  /** Returns the function that ends the subscription; after that call the listener is not called again. */
  subscribe(mediaId: string, listener: ImageListener): () => void;
  /**
   * Subscribes to all images, as `subscribe` to one. Changes elsewhere are read again once for all listeners, and not at all where there is
   * none. It makes no call ask for streaming.
   */
  subscribeToAll(listener: ImagesListener): () => void;
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

/** A subscriber to all images. No function may raise or take long, since the publisher waits for it. */
export interface ImagesListener {
  /**
   * A change, those of one image in their order. Of several in another process that follow closely on each other the last one may come
   * alone.
   */
  changed(change: ImageChange): void;
  /** The newest partial picture of a running call for an image of this owner. */
  partial(picture: PartialPicture, owner: string): void;
  /** The call for the image has ended: its partial picture is of no use any more. */
  partialsEnded(mediaId: string): void;
  /** Changes may have been missed: whatever has to be right is to be read again. */
  missed(): void;
}

/** A partial picture of a model that streams. It is passed to listeners and never stored. */
export interface PartialPicture {
  readonly mediaId: string;
  /** 0 for the first of a call; each is finer than the one before. */
  readonly index: number;
  readonly base64: string;
}
