import { PINNED } from '../domain/image.ts';
import type { ImageRequest } from '../domain/request.ts';

/** Its own time first, then the longest that one of its labels has. Null where neither says anything, or it is pinned. */
export function expiryOf(
  { ttlSeconds, labels }: ImageRequest,
  createdAt: number,
  byLabel: ReadonlyMap<string, number>,
): string | null {
  if (labels.includes(PINNED)) return null;
  const ages = labels.flatMap((label) => byLabel.get(label) ?? []);
  const ageMs = ttlSeconds === null ? Math.max(...ages) : ttlSeconds * 1000;
  return Number.isFinite(ageMs) ? new Date(createdAt + ageMs).toISOString() : null;
}
