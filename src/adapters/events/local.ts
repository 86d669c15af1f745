import type { ImageEvents, ImageListener, ImagesListener, PartialPicture } from '../../core/ports/image-events.ts';

/** Pub/sub within this process, and who listens. */
export interface LocalImageEvents extends Omit<ImageEvents, 'openPartials'> {
  /** An owner that is not known, null, has its partial pictures go to the listeners of the image alone. */
  openPartials(image: {
    readonly mediaId: string;
    readonly owner: string | null;
  }): ReturnType<ImageEvents['openPartials']>;
  /** The mediaIds that somebody listens to. */
  listened(): readonly string[];
  isListened(mediaId: string): boolean;
  /** True while somebody listens to all images. */
  areAllListened(): boolean;
  /** True while a listener of the image takes its partial pictures. */
  isWatched(mediaId: string): boolean;
  /** True while a listener, of the image or of all, takes the partial pictures of the image. */
  takesPartials(mediaId: string): boolean;
}

/** A running call, and what it has brought last; null before its first partial picture. */
interface RunningCall {
  readonly owner: string | null;
  newest: (() => PartialPicture) | null;
}

/** In-process pub/sub of image changes. `publish` calls the listeners synchronously. */
export function createImageEvents(): LocalImageEvents {
  const listeners = new Map<string, Set<ImageListener>>();
  const listenersToAll = new Set<ImagesListener>();
  const calls = new Map<string, RunningCall>();
  const isWatched = (mediaId: string) =>
    [...(listeners.get(mediaId) ?? [])].some(({ partial }) => partial !== undefined);

  return {
    listened: () => [...listeners.keys()],
    isListened: (mediaId) => listeners.has(mediaId),
    areAllListened: () => listenersToAll.size > 0,
    isWatched,
    takesPartials: (mediaId) => listenersToAll.size > 0 || isWatched(mediaId),
    publish(mediaId, image) {
      for (const listener of listeners.get(mediaId) ?? []) listener.changed(image);
    },
    announce(change) {
      for (const listener of listenersToAll) listener.changed(change);
    },
    missed() {
      for (const listener of listenersToAll) listener.missed();
    },
    wantsPartials: async (mediaId) => isWatched(mediaId),
    openPartials({ mediaId, owner }) {
      const call: RunningCall = { owner, newest: null };
      calls.set(mediaId, call);
      return {
        sink(bytes, index) {
          call.newest = encodedOnce(mediaId, bytes, index);
          for (const listener of listeners.get(mediaId) ?? []) listener.partial?.(call.newest());
          if (owner === null) return;
          for (const listener of listenersToAll) listener.partial(call.newest(), owner);
        },
        [Symbol.dispose]() {
          // Another call may have begun meanwhile.
          if (calls.get(mediaId) !== call) return;
          calls.delete(mediaId);
          for (const listener of listenersToAll) listener.partialsEnded(mediaId);
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
    subscribeToAll(listener) {
      listenersToAll.add(listener);
      for (const { newest, owner } of calls.values()) if (newest && owner !== null) listener.partial(newest(), owner);
      return () => void listenersToAll.delete(listener);
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
