/** How many attempts of an image are kept on record, and how many are shown. */

import { type Attempt, type Image, mayStillBring, type OmittedAttempts } from './image.ts';
import { addCosts, ZERO_COST } from './money.ts';

/** How many of the newest attempts a record shows; older ones are left out of it once nothing depends on them. */
export const SHOWN_ATTEMPTS = 50;

/**
 * The attempts and the sum of those left out, once `attempts` are those on record. Of the older ones, beyond the newest
 * `SHOWN_ATTEMPTS`, only those stay on which something depends: one that brought a picture, whose file belongs to the image, or may
 * still bring one, and one that counts against the allowance of unknown outcomes.
 */
export function boundedAttempts(image: Image, attempts: readonly Attempt[]): Pick<Image, 'attempts' | 'omitted'> {
  const { allowanceFrom, omitted } = image;
  const isNeeded = (attempt: Attempt) =>
    attempt.outcome === 'ok' ||
    mayStillBring(attempt) ||
    (attempt.outcome === 'unknown' && attempt.run >= allowanceFrom);
  const { left = [], kept = [] } = Object.groupBy(attempts, (attempt, index) =>
    index >= attempts.length - SHOWN_ATTEMPTS || isNeeded(attempt) ? 'kept' : 'left',
  );
  return { attempts: kept, ...withOmitted(omitted, left) };
}

/** The attempts to show, the newest `SHOWN_ATTEMPTS`, and the sum of all others. */
export function shownAttempts({ attempts, omitted }: Image): { readonly shown: readonly Attempt[] } & OmittedAttempts {
  const older = withOmitted(omitted, attempts.slice(0, -SHOWN_ATTEMPTS)).omitted;
  return { shown: attempts.slice(-SHOWN_ATTEMPTS), ...(older ?? { count: 0, cost: ZERO_COST }) };
}

function withOmitted(omitted: OmittedAttempts | undefined, more: readonly Attempt[]): Pick<Image, 'omitted'> {
  if (more.length === 0) return omitted ? { omitted } : {};
  const { count, cost } = omitted ?? { count: 0, cost: ZERO_COST };
  return { omitted: { count: count + more.length, cost: more.map((one) => one.cost).reduce(addCosts, cost) } };
}
