import type { Image } from './image.ts';

type Listener = (image: Image | null) => void;

/** Tells those who wait for an image what has become of it. Holds nothing: whoever comes late reads the record. */
export interface ImageEvents {
  /** To be called after the change is durable; null for an image that is deleted. */
  publish(mediaId: string, image: Image | null): void;
  /** Gives the function that ends the subscription. */
  subscribe(mediaId: string, listener: Listener): () => void;
}

export function createImageEvents(): ImageEvents {
  const listeners = new Map<string, Set<Listener>>();
  return {
    publish(mediaId, image) {
      for (const listener of listeners.get(mediaId) ?? []) listener(image);
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
