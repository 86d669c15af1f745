import type { ImageStatus } from '../service/types.ts';

/** What a card shows of an image. A long list holds these in place of whole records, which are some ten times as large. */
export interface Summary {
  readonly mediaId: string;
  readonly createdAt: string;
  readonly status: ImageStatus;
  /** When it took its status. */
  readonly statusSince: string;
  /** When its work began; null before. */
  readonly startedAt: string | null;
  readonly completedAt: string | null;
  /** The prompt or the subject, in one line. */
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly thumbhash: string | null;
  /** Null until it is done. */
  readonly thumbnail: Thumbnail | null;
  /** US dollars; null where it is not known. */
  readonly usd: number | null;
  readonly labels: readonly string[];
  readonly isPinned: boolean;
  readonly provider: string;
  /** Calls to providers so far. */
  readonly calls: number;
  readonly queuePosition: number | null;
  /** The code of why it failed. */
  readonly failure: string | null;
  /** The newest picture of the call that runs. */
  readonly partial: Blob | null;
}

export interface Thumbnail {
  readonly url: string;
  readonly width: number;
  readonly height: number;
}

/** Whether an image is still being made. */
export function isRunning(status: ImageStatus): boolean {
  return status === 'queued' || status === 'generating' || status === 'processing';
}
