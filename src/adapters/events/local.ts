import type { ImageEvents, ImageListener, PartialPicture } from '../../core/ports/image-events.ts';

/** Pub/sub within this process, and who listens. */
export interface LocalImageEvents extends ImageEvents {
  /** The mediaIds that somebody listens to. */
  listened(): readonly string[];
  isListened(mediaId: string): boolean;
  /** True while a listener takes the partial pictures of the image. */
  takesPartials(mediaId: string): boolean;
}

/** In-process pub/sub of image changes. `publish` calls the listeners synchronously. */
export function createImageEvents(): LocalImageEvents {
  const listeners = new Map<string, Set<ImageListener>>();
  /** By mediaId, what the running call has brought last; null before its first partial picture. */
  const calls = new Map<string, { newest: (() => PartialPicture) | null }>();
  const takesPartials = (mediaId: string) =>
    [...(listeners.get(mediaId) ?? [])].some(({ partial }) => partial !== undefined);

  return {
    listened: () => [...listeners.keys()],
    isListened: (mediaId) => listeners.has(mediaId),
    takesPartials,
    publish(mediaId, image) {
      for (const listener of listeners.get(mediaId) ?? []) listener.changed(image);
    },
    wantsPartials: async (mediaId) => takesPartials(mediaId),
    openPartials(mediaId) {
      const call: { newest: (() => PartialPicture) | null } = { newest: null };
      calls.set(mediaId, call);
      return {
        sink(bytes, index) {
          call.newest = encodedOnce(mediaId, bytes, index);
          for (const listener of listeners.get(mediaId) ?? []) listener.partial?.(call.newest());
        },
        [Symbol.dispose]() {
          // Another call may have begun meanwhile.
          if (calls.get(mediaId) === call) calls.delete(mediaId);
        },
      };
    },
    subscribe(mediaId, listener) {
      const imageListeners = listeners.get(mediaId) ?? new Set();
      listeners.set(mediaId, imageListeners.add(listener));
      const newest = calls.get(mediaId)?.newest;
      if (newest) listener.partial?.(newest());
      return () => {
        imageListeners.delete(listener);
        if (imageListeners.size === 0 && listeners.get(mediaId) === imageListeners) listeners.delete(mediaId);
      };
    },
  };
}

/** The partial picture, encoded when it is first asked for: one shared object, so that base64 is held once for all listeners. */
function encodedOnce(mediaId: string, bytes: Uint8Array, index: number): () => PartialPicture {
  let picture: PartialPicture | null = null;
  return () => {
    picture ??= { mediaId, index, base64: Buffer.from(bytes).toString('base64') };
    return picture;
  };
}
