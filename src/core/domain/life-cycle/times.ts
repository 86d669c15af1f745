/** When an image took its status, and when its run left the queue. Every change of the status goes through `entering`. */

import { type Image, type ImageStatus, isFinished } from '../image.ts';

/** The fields of an image that takes a status at this time (ISO 8601, UTC). A status that it has already keeps its time. */
export function entering(image: Image, status: ImageStatus, at: string): Pick<Image, 'status' | 'times'> {
  const since = status === image.status ? statusSince(image) : at;
  // Of a run that ends in the queue, it never began.
  const began = startedAt(image) ?? (isFinished(status) ? null : at);
  return { status, times: { status, run: image.run, since, startedAt: began } };
}

/** The fields of an image whose run with this number is requested at this time. */
export function enteringQueue(run: number, at: string): Pick<Image, 'status' | 'run' | 'times'> {
  return { status: 'queued', run, times: { status: 'queued', run, since: at, startedAt: null } };
}

/** When the image took its status, ISO 8601, UTC; as far as the record tells where an older Easel has written that. */
export function statusSince(image: Image): string {
  const { status, times, run, requestedAt, completedAt } = image;
  if (times?.run === run && times.status === status) return times.since;
  switch (status) {
    case 'queued':
      return requestedAt;
    case 'generating':
      return startedAt(image) ?? requestedAt;
    case 'processing':
      return endOfCall(image) ?? startedAt(image) ?? requestedAt;
    default:
      return completedAt ?? requestedAt;
  }
}

/**
 * When the present run began to work, which is when it left the queue, ISO 8601, UTC; null before, and where it ended in the queue. As far
 * as the record tells where an older Easel has written that.
 */
export function startedAt({ status, times, run, attempts, requestedAt }: Image): string | null {
  if (status === 'queued') return null;
  if (times?.run === run && times.startedAt !== null) return times.startedAt;
  if (times?.run === run && times.status === status) return null;
  const call = attempts.find((attempt) => attempt.run === run);
  // A run that goes on from an original calls no provider.
  const began = status === 'failed' || status === 'cancelled' ? null : requestedAt;
  return call?.startedAt ?? began;
}

/** When the latest call of the run brought its picture; null where it brought none. */
function endOfCall({ run, attempts }: Image): string | null {
  const last = attempts.findLast((attempt) => attempt.run === run);
  if (last?.outcome !== 'ok' || last.durationMs === null) return null;
  return new Date(Date.parse(last.startedAt) + last.durationMs).toISOString();
}
