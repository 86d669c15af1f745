/** The one rule by which an image is pinned: no cleanup removes it, only DELETE does. */

import type { Image } from '../image.ts';

/** Label that pins an image, as the field `pinned` of PATCH does. */
export const PINNED = 'pinned';

/** What decides whether an image is pinned. */
export type Pinning = Pick<Image, 'pinned'> & { readonly request: Pick<Image['request'], 'labels'> };

/** True for an image that the caller has pinned, by the field or by the label. */
export function isPinned({ pinned = false, request }: Pinning): boolean {
  return pinned || request.labels.includes(PINNED);
}

/** These labels without the one that pins. */
export function unpinned(labels: readonly string[]): readonly string[] {
  return labels.filter((label) => label !== PINNED);
}
