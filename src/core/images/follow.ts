import { type Image, isFinished, isSameImage } from '../domain/image.ts';
import type { ImageRecord, ToRecord } from '../domain/record.ts';
import type { ImageEvents, PartialPicture } from '../ports/image-events.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { recordTag } from './record-tag.ts';

/**
 * An event of an image's stream. Its id is a hash of the record at that moment, so a client that reconnects with it receives
 * only what has changed since, also after a restart, and no event has to be stored for that.
 */
export type ImageEvent =
  | { readonly type: 'status'; readonly id: string; readonly data: StatusReport }
  | { readonly type: 'partial'; readonly id: string; readonly data: PartialPicture }
  | { readonly type: 'done'; readonly id: string; readonly data: ImageRecord }
  | { readonly type: 'deleted'; readonly id: string; readonly data: { readonly mediaId: string } };

/** Progress of an image from its record: status and times, no estimate of what is left. */
export type StatusReport = ReturnType<typeof reportStatus>;

export type Follow = (
  image: Image,
  lastEventId: string | null,
  signal: AbortSignal,
) => AsyncGenerator<ImageEvent, void, undefined> | null;

interface FollowDeps {
  readonly records: Pick<RecordStore, 'get'>;
  readonly events: Pick<ImageEvents, 'subscribe'>;
  readonly toRecord: ToRecord;
  /** Fires when the service ends; every stream then ends, and clients reconnect to the next process. */
  readonly ending: AbortSignal;
}

/**
 * Follows an image: yields its present state unless `lastEventId` names it, then every change, until the image is finished
 * or deleted, `signal` fires or the service ends. The newest partial picture of a call that runs follows the present state. Null where
 * `lastEventId` is the final event of `image` as it stands.
 *
 * A slow reader skips to the latest state and the latest partial picture of it: nothing is buffered.
 */
export function createFollow(deps: FollowDeps): Follow {
  return (image, lastEventId, signal) =>
    isFinished(image.status) && lastEventId === doneId(image) ? null : streamEvents(deps, image, lastEventId, signal);
}

async function* streamEvents(
  { records, events, toRecord, ending }: FollowDeps,
  followed: Image,
  lastEventId: string | null,
  signal: AbortSignal,
): AsyncGenerator<ImageEvent, void, undefined> {
  const { mediaId } = followed;
  let change: { readonly image: Image | null } | null = null;
  let partial: PartialPicture | null = null;
  let wake = () => {};
  /** Null where the followed image was deleted, even if another one has its mediaId by now, which may be another key's. */
  const ifFollowed = (image: Image | null) => (image !== null && isSameImage(followed, image) ? image : null);
  const isOver = () => signal.aborted || ending.aborted;
  const wakeAtEnd = () => wake();
  // Removed at the end, as both signals outlive the stream: `AbortSignal.any` would keep it, and what it holds, as long.
  for (const end of [signal, ending]) end.addEventListener('abort', wakeAtEnd);
  const unsubscribe = events.subscribe(mediaId, {
    changed(image) {
      change = { image: ifFollowed(image) };
      // A partial picture belongs to a call of the state before.
      partial = null;
      wake();
    },
    partial(picture) {
      partial = picture;
      wake();
    },
  });
  /** Takes what is to be sent next: a change before a partial picture. */
  const takeNext = () => {
    const next = { change, partial: change === null ? partial : null };
    if (change !== null) change = null;
    else partial = null;
    return next;
  };

  try {
    let lastSentId = lastEventId?.split('.', 1)[0] ?? null;
    // Read after subscribing, so that no change falls between the two; a change that arrived meanwhile is newer.
    const stored = await records.get(mediaId);
    change ??= { image: ifFollowed(stored) };
    while (!isOver()) {
      const next = takeNext();
      if (next.change !== null) {
        const { image } = next.change;
        if (image === null) {
          yield { type: 'deleted', id: 'deleted', data: { mediaId } };
          return;
        }
        const id = recordTag(image);
        if (id !== lastSentId) yield { type: 'status', id, data: reportStatus(await toRecord(image)) };
        lastSentId = id;
        if (isFinished(image.status)) {
          yield { type: 'done', id: doneId(image), data: await toRecord(image) };
          return;
        }
      } else if (next.partial !== null) {
        const id = `${lastSentId}.${next.partial.index}`;
        // The newest is kept for listeners that come late, and a client that reconnects has it already.
        if (id !== lastEventId) yield { type: 'partial', id, data: next.partial };
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    unsubscribe();
    for (const end of [signal, ending]) end.removeEventListener('abort', wakeAtEnd);
  }
}

/** The progress that a record tells. */
export function reportStatus(record: ImageRecord) {
  const { mediaId, status, statusSince: since, provider, attempts, createdAt, completedAt } = record;
  return { mediaId, status, since, provider, attempts, createdAt, completedAt };
}

function doneId(image: Image): string {
  return `${recordTag(image)}.done`;
}
