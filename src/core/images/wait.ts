import { type Image, isFinished } from '../domain/image.ts';
import type { Clock } from '../ports/clock.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { RecordStore } from '../ports/record-store.ts';

export type WaitUntilFinished = (mediaId: string, timeoutMs: number, signal: AbortSignal) => Promise<Image | null>;

interface WaitDeps {
  readonly records: Pick<RecordStore, 'get'>;
  readonly events: Pick<ImageEvents, 'subscribe'>;
  readonly clock: Pick<Clock, 'sleep'>;
  /** Fires when the service begins to stop; every wait then ends. */
  readonly stopping: AbortSignal;
}

/** Waits for the end of an image without polling; see `Images.waitUntilFinished`. */
export function createWait({ records, events, clock, stopping }: WaitDeps): WaitUntilFinished {
  return async (mediaId, timeoutMs, signal) => {
    const finished = new AbortController();
    const unsubscribe = events.subscribe(mediaId, {
      changed(image) {
        if (image === null || isFinished(image.status)) finished.abort();
      },
    });
    try {
      // Read after subscribing, so that no change falls between the two.
      const image = await records.get(mediaId);
      if (image === null || isFinished(image.status)) return image;
      await clock.sleep(timeoutMs, AbortSignal.any([signal, stopping, finished.signal])).catch(() => undefined);
      return await records.get(mediaId);
    } finally {
      unsubscribe();
    }
  };
}
