import { ImageError } from '../domain/errors.ts';
import type { Image } from '../domain/image.ts';
import { changeOf } from '../domain/image-change.ts';
import type { ImageEvents } from '../ports/image-events.ts';
import type { RecordStore } from '../ports/record-store.ts';

/** The writes of a record store that change what callers see of images. */
type ImageWrites = Pick<RecordStore, 'accept' | 'update' | 'requeue' | 'remove'>;

/**
 * The writes of `records`, each announced once it is durable. A write that raised `storage_unavailable` may have taken effect: with the
 * next one that succeeds, a change is said to have been missed.
 */
export function announceWrites(records: ImageWrites, events: Pick<ImageEvents, 'announce' | 'missed'>): ImageWrites {
  let isUncertain = false;

  async function certain<T>(write: Promise<T>): Promise<T> {
    try {
      const result = await write;
      if (isUncertain) {
        isUncertain = false;
        events.missed();
      }
      return result;
    } catch (error) {
      if (error instanceof ImageError && error.code === 'storage_unavailable' && !error.isLasting) isUncertain = true;
      throw error;
    }
  }

  function announce(before: Image | null, after: Image | null): void {
    const change = changeOf(before, after);
    if (change !== null) events.announce(change);
  }

  /** Does a write that calls `noting` in place of `change`, and announces what that returned last. */
  async function changing<T extends Image | null | 'queue_full'>(
    change: (image: Image) => Image | null,
    write: (noting: typeof change) => Promise<T>,
  ): Promise<T> {
    let written: readonly [before: Image, after: Image] | null = null;
    const noting = (before: Image) => {
      written = null;
      const after = change(before);
      if (after !== null) written = [before, after];
      return after;
    };
    const result = await certain(write(noting));
    if (written !== null && result !== null && result !== 'queue_full') announce(...(written as [Image, Image]));
    return result;
  }

  return {
    async accept(images, queueLimit, guard) {
      const acceptance = await certain(records.accept(images, queueLimit, guard));
      if (acceptance.outcome === 'accepted') for (const image of [images].flat()) announce(null, image);
      return acceptance;
    },
    update: (mediaId, change, guard) => changing(change, (noting) => records.update(mediaId, noting, guard)),
    requeue: (mediaId, queueLimit, change, guard) =>
      changing(change, (noting) => records.requeue(mediaId, queueLimit, noting, guard)),
    async remove(mediaId, condition = () => true) {
      let removed: Image | null = null;
      const deletion = await certain(
        records.remove(mediaId, (image) => {
          removed = image;
          return condition(image);
        }),
      );
      if (deletion !== null) announce(removed, null);
      return deletion;
    },
  };
}
