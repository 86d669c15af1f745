import type { Attempt, ImageRecord } from '../service/types.ts';

/** What happened to a picture, in the order in which it happened. */
export type TimelineEntry =
  | { readonly kind: 'accepted'; readonly at: string }
  /** Between two calls, or before the first one. */
  | { readonly kind: 'wait'; readonly ms: number }
  /** Older calls that the record does not list. */
  | { readonly kind: 'omitted'; readonly count: number; readonly usd: number | null }
  | {
      readonly kind: 'call';
      readonly attempt: Attempt;
      /** `retry`: the same provider again; `fallback`: another one than before. */
      readonly as: 'first' | 'retry' | 'fallback';
    }
  | { readonly kind: 'ended'; readonly at: string; readonly status: 'succeeded' | 'failed' | 'cancelled' };

/** Milliseconds below which a gap is no wait. */
const SHORTEST_WAIT_MS = 100;

type Timed = Pick<ImageRecord, 'attempts' | 'attemptsOmitted' | 'createdAt' | 'completedAt' | 'status'>;

/** The calls of a picture with the waits between them, from the request to its end. */
export function timelineOf({ attempts, attemptsOmitted, createdAt, completedAt, status }: Timed): TimelineEntry[] {
  const entries: TimelineEntry[] = [{ kind: 'accepted', at: createdAt }];
  if (attemptsOmitted.count > 0) entries.push({ kind: 'omitted', ...attemptsOmitted });
  // When the calls that are left out ended is not known.
  let endedAt: number | null = attemptsOmitted.count > 0 ? null : Date.parse(createdAt);
  let before: Attempt | undefined;
  for (const attempt of attempts) {
    const beganAt = Date.parse(attempt.startedAt);
    if (endedAt !== null && beganAt - endedAt >= SHORTEST_WAIT_MS) {
      entries.push({ kind: 'wait', ms: beganAt - endedAt });
    }
    const isFirst = before === undefined && attemptsOmitted.count === 0;
    const isSame = before === undefined || before.provider === attempt.provider;
    entries.push({ kind: 'call', attempt, as: isFirst ? 'first' : isSame ? 'retry' : 'fallback' });
    endedAt = attempt.durationMs === null ? null : beganAt + attempt.durationMs;
    before = attempt;
  }
  if (completedAt !== null && (status === 'succeeded' || status === 'failed' || status === 'cancelled')) {
    entries.push({ kind: 'ended', at: completedAt, status });
  }
  return entries;
}
