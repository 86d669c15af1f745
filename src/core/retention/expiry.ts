import { isPinned, type Pinning } from '../domain/life-cycle/pinning.ts';
import type { ImageRequest } from '../domain/request.ts';

/**
 * When an image expires whose retention counts from `since` (milliseconds since 1970), as ISO 8601, UTC: after its `ttlSeconds`, else
 * after the longest retention of its labels (`byLabel`, in milliseconds). `since` is when its run was requested, or when it was given a
 * `ttlSeconds` later. Null for an image that has neither, which the configured retention applies to, and for a pinned one.
 */
export function expiryOf(
  image: Pinning & { readonly request: Pick<ImageRequest, 'ttlSeconds' | 'labels'> },
  since: number,
  byLabel: ReadonlyMap<string, number>,
): string | null {
  if (isPinned(image)) return null;
  const { ttlSeconds, labels } = image.request;
  const ages = labels.flatMap((label) => byLabel.get(label) ?? []);
  const ageMs = ttlSeconds === null ? Math.max(...ages) : ttlSeconds * 1000;
  return Number.isFinite(ageMs) ? new Date(since + ageMs).toISOString() : null;
}
