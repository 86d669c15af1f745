import type { ImageEvents, ImageListener } from '../../core/ports/image-events.ts';

/** In-process pub/sub of image changes. `publish` calls the listeners synchronously. */
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
        // One shared object for all listeners, so that base64 is encoded and held once.
        const picture = { mediaId, index, base64: Buffer.from(bytes).toString('base64') };
        for (const listener of listeners.get(mediaId) ?? []) listener.partial?.(picture);
      };
    },
    subscribe(mediaId, listener) {
      const imageListeners = listeners.get(mediaId) ?? new Set();
      listeners.set(mediaId, imageListeners.add(listener));
      return () => {
        imageListeners.delete(listener);
        if (imageListeners.size === 0 && listeners.get(mediaId) === imageListeners) listeners.delete(mediaId);
      };
    },
  };
}
