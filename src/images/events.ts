import type { Image } from './image.ts';

/** A picture on its way, as models that stream show it. It is passed on and never stored. */
export interface PartialPicture {
  readonly mediaId: string;
  /** 0 for the first of a call; each is finer than the one before. */
  readonly index: number;
  readonly base64: string;
}

export interface ImageListener {
  /** The image as it now stands, or null once it is deleted. */
  changed(image: Image | null): void;
  /** Its presence says that partial pictures are wanted. */
  readonly partial?: (picture: PartialPicture) => void;
}

/** Tells those who wait for an image what has become of it. Holds nothing: whoever comes late reads the record. */
export interface ImageEvents {
  /** To be called after the change is durable; null for an image that is deleted. */
  publish(mediaId: string, image: Image | null): void;
  /** Takes the partial pictures of one call; undefined while nobody wants any. */
  partialSink(mediaId: string): ((bytes: Uint8Array, index: number) => void) | undefined;
  /** Gives the function that ends the subscription. */
  subscribe(mediaId: string, listener: ImageListener): () => void;
}

export function createImageEvents(): ImageEvents {
  const listeners = new Map<string, Set<ImageListener>>();
  const wantsPartials = (mediaId: string) => [...(listeners.get(mediaId) ?? [])].some(({ partial }) => partial);

  return {
    publish(mediaId, image) {
      for (const listener of listeners.get(mediaId) ?? []) listener.changed(image);
    },
    partialSink(mediaId) {
      if (!wantsPartials(mediaId)) return undefined;
      return (bytes, index) => {
        if (!wantsPartials(mediaId)) return;
        // One object for all: however many listen, its text is made and held once.
        const picture = { mediaId, index, base64: Buffer.from(bytes).toString('base64') };
        for (const listener of listeners.get(mediaId) ?? []) listener.partial?.(picture);
      };
    },
    subscribe(mediaId, listener) {
      const those = listeners.get(mediaId) ?? new Set();
      listeners.set(mediaId, those.add(listener));
      return () => {
        those.delete(listener);
        if (those.size === 0 && listeners.get(mediaId) === those) listeners.delete(mediaId);
      };
    },
  };
}
