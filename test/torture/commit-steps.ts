import type { Image } from '../../src/core/domain/image.ts';
import type { Step } from './steps.ts';

type Steps = Readonly<Record<'before' | 'after', Step | null>>;

const NOTHING: Steps = { before: null, after: null };

/** The steps just before and just after the commit that writes an image with this status. */
const COMMITS: Partial<Record<Image['status'], Steps>> = {
  queued: { before: null, after: 'afterAccept' },
  generating: { before: null, after: 'beforeSend' },
  processing: { before: 'afterOriginalDurable', after: 'afterOriginalRecorded' },
  succeeded: { before: 'beforeSucceeded', after: 'afterSucceeded' },
};

/** The steps around the commit that writes this image. */
export function stepsOf({ status, attempts }: Image): Steps {
  const attempt = attempts.at(-1);
  const isAnnounced = status === 'generating' && attempt?.durationMs === null && attempt.announced !== null;
  return isAnnounced ? { before: null, after: 'afterAnnounced' } : (COMMITS[status] ?? NOTHING);
}
