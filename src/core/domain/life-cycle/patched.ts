/** The change of an image by its caller, under the rules of `transitions.ts`. */

import type { Image } from '../image.ts';
import type { ChangeableFields } from '../request.ts';
import { type Pinning, unpinned } from './pinning.ts';

/** New values for fields of the request that do not make the picture. */
interface RequestPatch {
  /** Only the fields that are replaced. */
  readonly changes: Partial<ChangeableFields>;
  /** Whether the image is pinned from now on; undefined to leave that as it is. */
  readonly pinned?: boolean | undefined;
  /** When the change was requested; a new `ttlSeconds` counts from here. */
  readonly at: string;
  /** When an image expires whose retention counts from `since`. */
  readonly expiryOf: (image: Pick<Image, 'request'> & Pinning, since: string) => string | null;
}

/**
 * The caller changed fields that do not make the picture. Legal in every state; null where there is nothing to replace. New labels, a
 * new ttl and pinning change the expiry: a `ttlSeconds` that is among the changes counts from now, one that was there goes on as it was,
 * and labels count from when the present run was requested. An image that is not to be pinned loses the label that pins, too.
 */
export function patched(image: Image, { changes: asked, pinned, at, expiryOf }: RequestPatch): Image | null {
  const changes = pinned === false ? withoutPin(image, asked) : asked;
  if (pinned === undefined && Object.keys(changes).length === 0) return null;
  const request = { ...image.request, ...changes };
  const isKept = pinned === undefined && changes.labels === undefined && changes.ttlSeconds === undefined;
  if (isKept) return { ...image, request };
  const pin = pinned === undefined ? {} : { pinned };
  const kept = image.ttlSince ?? null;
  const given = changes.ttlSeconds === undefined ? kept : at;
  const ttlSince = request.ttlSeconds === null ? null : given;
  const next = { ...image, ...pin, request, ttlSince };
  return { ...next, expiresAt: expiryOf(next, ttlSince ?? image.requestedAt) };
}

function withoutPin({ request }: Image, changes: Partial<ChangeableFields>): Partial<ChangeableFields> {
  const labels = changes.labels ?? request.labels;
  const kept = unpinned(labels);
  return kept.length === labels.length ? changes : { ...changes, labels: kept };
}
