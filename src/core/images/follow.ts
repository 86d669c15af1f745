import { createHash } from 'node:crypto';
import { type Image, isFinished } from '../domain/image.ts';
import { fileUrls, type ImageRecord, type MediaUrls, toRecord } from '../domain/record.ts';
import type { ImageEvents, PartialPicture } from '../ports/image-events.ts';
import type { RecordStore } from '../ports/record-store.ts';

/**
 * What a listener is told of an image. The id names the state of the record that the listener then knows: whoever comes
 * back with it is told only what has changed since, after a restart too, and no event has to be kept for that.
 */
export type ImageEvent =
  | { readonly type: 'status'; readonly id: string; readonly data: StatusReport }
  | { readonly type: 'partial'; readonly id: string; readonly data: PartialPicture }
  | { readonly type: 'done'; readonly id: string; readonly data: ImageRecord }
  | { readonly type: 'deleted'; readonly id: string; readonly data: { readonly mediaId: string } };

/** How far an image is, as the record tells it: stages and their times, no guess at what is left. */
export type StatusReport = ReturnType<typeof reportStatus>;

export interface FollowDeps {
  readonly records: Pick<RecordStore, 'get'>;
  readonly events: ImageEvents;
  /** Where pictures are, for those who may fetch them. */
  readonly urls: MediaUrls;
  /** Fires when the service begins to stop; every stream then ends, and listeners come back to the next process. */
  readonly stopping: AbortSignal;
}

/** Whether someone whose last event was `lastEventId` has been told the end of `image` as it stands. */
export function hasSeenEnd(image: Image, lastEventId: string | null): boolean {
  return isFinished(image.status) && lastEventId === doneId(image);
}

/**
 * Tells the present state at once unless `lastEventId` says that it is known, then what changes, until the image is finished
 * or deleted, `signal` fires or the service stops.
 *
 * A listener that asks late is told the latest state and at most the latest partial picture of it: nothing piles up for those
 * who are slow.
 */
export async function* followImage(
  { records, events, urls, stopping }: FollowDeps,
  mediaId: string,
  lastEventId: string | null,
  signal: AbortSignal,
): AsyncGenerator<ImageEvent, void, undefined> {
  let update: { readonly image: Image | null } | null = null;
  let partial: PartialPicture | null = null;
  let wake = () => {};
  const ended = AbortSignal.any([signal, stopping]);
  ended.addEventListener('abort', () => wake());
  const unsubscribe = events.subscribe(mediaId, {
    changed(image) {
      update = { image };
      // It belongs to a call that has ended, or to one that is made anew.
      partial = null;
      wake();
    },
    partial(picture) {
      partial = picture;
      wake();
    },
  });
  const next = () => {
    const taken = { news: update, partial: update === null ? partial : null };
    if (update !== null) update = null;
    else partial = null;
    return taken;
  };

  try {
    let lastSentId = lastEventId?.split('.', 1)[0] ?? null;
    // What happened before the subscription is in the record; what came since is newer.
    const stored = await records.get(mediaId);
    update ??= { image: stored };
    while (!ended.aborted) {
      const taken = next();
      if (taken.news !== null) {
        const { image } = taken.news;
        if (image === null) {
          yield { type: 'deleted', id: 'deleted', data: { mediaId } };
          return;
        }
        const id = stateId(image);
        if (id !== lastSentId) yield { type: 'status', id, data: reportStatus(image) };
        lastSentId = id;
        if (isFinished(image.status)) {
          yield { type: 'done', id: doneId(image), data: toRecord(image, urls) };
          return;
        }
      } else if (taken.partial !== null) {
        yield { type: 'partial', id: `${lastSentId}.${taken.partial.index}`, data: taken.partial };
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    unsubscribe();
  }
}

function reportStatus(image: Image) {
  const { mediaId, status, provider, attempts, createdAt, completedAt } = toRecord(image, fileUrls);
  return { mediaId, status, since: since(image), provider, attempts, createdAt, completedAt };
}

/** When the image took its status, ISO 8601, UTC; null where nothing on record tells. */
function since({ status, run, attempts, createdAt, completedAt }: Image): string | null {
  const calls = attempts.filter((attempt) => attempt.run === run);
  const last = calls.at(-1);
  switch (status) {
    case 'queued':
      return run === 1 ? createdAt : null;
    case 'generating':
      return calls[0]?.startedAt ?? null;
    case 'processing':
      if (last?.outcome !== 'ok' || last.durationMs === null) return null;
      return new Date(Date.parse(last.startedAt) + last.durationMs).toISOString();
    default:
      return completedAt;
  }
}

/** Equal for equal records and for no others. */
function stateId(image: Image): string {
  return createHash('sha256')
    .update(JSON.stringify(toRecord(image, fileUrls)))
    .digest('base64url')
    .slice(0, 16);
}

function doneId(image: Image): string {
  return `${stateId(image)}.done`;
}
