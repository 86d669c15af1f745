import type { ImageRecord } from '../domain/record.ts';
import type { Caller } from '../domain/request.ts';
import type { PartialPicture } from '../ports/image-events.ts';
import type { StatusReport } from './follow.ts';

/** Why a reader has to read the list again: its id is not known here, or events may have been missed, in time or by reading too slowly. */
export const RESET_REASONS = ['unknown_id', 'events_missed'] as const;
export type ResetReason = (typeof RESET_REASONS)[number];

/** What is sent of a change. */
export type ChangeContent =
  | { readonly type: 'created' | 'done' | 'changed'; readonly data: ImageRecord }
  | { readonly type: 'status'; readonly data: StatusReport }
  | { readonly type: 'deleted'; readonly data: { readonly mediaId: string } };

/** An event about one of the images that a caller sees. */
export type FeedEvent = { readonly id: string } & (
  | ChangeContent
  | { readonly type: 'partial'; readonly data: PartialPicture }
  | { readonly type: 'reset'; readonly data: { readonly reason: ResetReason } }
);

/** The events from now on, or from `lastEventId` on. */
export interface OpenFeed {
  /** What resumes from here, before the first event has come. */
  readonly id: string;
  readonly events: AsyncGenerator<FeedEvent, void, undefined>;
}

/**
 * Follows all images that the caller sees, until `signal` fires or the service ends. With the id of the last event that was received,
 * nothing is lost or repeated, or the first event is a `reset`. The history is shared by all: a slow reader holds nothing of its own, and
 * where it falls behind the history it gets a `reset`, and then what comes from that moment on.
 */
export type OpenFeedOf = (caller: Caller, lastEventId: string | null, signal: AbortSignal) => OpenFeed;
