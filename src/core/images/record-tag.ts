import { createHash } from 'node:crypto';
import type { Image } from '../domain/image.ts';
import { toStableRecord } from '../domain/record.ts';

/**
 * Names the state of an image: a hash of its public record, equal for equal records only. It is the same in every process and after a
 * restart, and says nothing of the place in line, the signatures of URLs or whether a call runs here.
 */
export function recordTag(image: Image): string {
  return createHash('sha256')
    .update(JSON.stringify(toStableRecord(image)))
    .digest('base64url')
    .slice(0, 16);
}
