/**
 * Files that were stored for an image and do not belong to it: of a run that was cancelled or lost its claim before it could record them,
 * and those that a repair has replaced. The checksums in their names (`MediaFile.stored`) follow from nothing else, so the record keeps the
 * names for its deletion. A cleanup may remove the files earlier, as orphans.
 */

import { possibleNames, publishedFiles } from '../file-names.ts';
import type { Image } from '../image.ts';

/** The newest that are kept; of an image that has more, a cleanup removes the rest. */
const MAX_LEFTOVERS = 100;

/** Files of these names were stored in vain. Legal in every state; null where the deletion of the image removes all of them anyway. */
export function withLeftovers(image: Image, names: readonly string[]): Image | null {
  const known = new Set(possibleNames(image));
  const added = names.filter((name) => !known.has(name));
  if (added.length === 0) return null;
  return { ...image, leftovers: [...(image.leftovers ?? []), ...added].slice(-MAX_LEFTOVERS) };
}

/** `after` with the files of `before` that it no longer has as leftovers. */
export function leavingReplaced(before: Image, after: Image): Image {
  const names = publishedFiles(before).flatMap(({ stored }) => stored ?? []);
  return withLeftovers(after, names) ?? after;
}
