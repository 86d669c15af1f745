import type { ServiceEvent } from '../service/event-stream.ts';
import type { ImageRecord, PartialPicture, StatusReport } from '../service/types.ts';
import { createPartialPictures } from './partial-pictures.ts';
import { createStore, type Store } from './store.ts';

/** An image as the page knows it. */
export interface KnownImage {
  readonly record: ImageRecord;
  /** The newest partial picture of the call that runs; null for none. */
  readonly partial: PartialPicture | null;
}

/** The images that are on show, kept up to date by events and by what is read. */
export interface Images {
  /** A store of the image, for a component that shows it; null while it is not known, and once it is deleted. */
  readonly of: (mediaId: string) => Store<KnownImage | null>;
  /** Takes over a record that was read. A record that an event made newer meanwhile stays. */
  readonly note: (record: ImageRecord) => void;
  readonly apply: (event: ServiceEvent) => void;
  /** Drops the images that `isShown` does not name, so that a long list takes no more memory than what is on show. */
  readonly keepOnly: (isShown: (mediaId: string) => boolean) => void;
  /** Drops everything: it was for another key. */
  readonly clear: () => void;
  /** Listens to every event, after it was applied. Returns the function that ends it. */
  readonly listen: (listener: (event: ServiceEvent) => void) => () => void;
}

/** Creates an empty collection. */
export function createImages(): Images {
  const stores = new Map<string, Store<KnownImage | null>>();
  const partials = createPartialPictures();
  const listeners = new Set<(event: ServiceEvent) => void>();
  const of = (mediaId: string) => {
    const known = stores.get(mediaId);
    if (known) return known;
    const made = createStore<KnownImage | null>(null);
    stores.set(mediaId, made);
    return made;
  };
  const note = (record: ImageRecord) => {
    partials.noteStatus(record.mediaId, record.status);
    of(record.mediaId).set({ record, partial: partials.of(record.mediaId) });
  };
  const applyTo = (event: ServiceEvent) => {
    switch (event.type) {
      case 'created':
      case 'done':
      case 'changed':
        // Others are not on show: a view that wants them listens.
        partials.noteStatus(event.data.mediaId, event.data.status);
        if (stores.has(event.data.mediaId)) note(event.data);
        return;
      case 'status': {
        partials.noteStatus(event.data.mediaId, event.data.status);
        const known = stores.get(event.data.mediaId)?.get();
        if (known) note({ ...known.record, ...toFields(event.data) });
        return;
      }
      case 'partial': {
        partials.keep(event.data);
        const store = stores.get(event.data.mediaId);
        const known = store?.get();
        if (store && known) store.set({ ...known, partial: event.data });
        return;
      }
      case 'deleted':
        partials.drop(event.data.mediaId);
        stores.get(event.data.mediaId)?.set(null);
        return;
    }
  };
  return {
    of,
    note,
    apply(event) {
      applyTo(event);
      for (const listener of [...listeners]) listener(event);
    },
    keepOnly(isShown) {
      for (const mediaId of stores.keys()) if (!isShown(mediaId)) stores.delete(mediaId);
    },
    clear() {
      stores.clear();
      partials.clear();
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The report as fields of a record. */
function toFields({ since, ...report }: StatusReport) {
  return { ...report, statusSince: since };
}
