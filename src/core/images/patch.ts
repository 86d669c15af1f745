import type { Logger } from 'pino';
import { ImageError } from '../domain/errors.ts';
import { type Image, isSameImage } from '../domain/image.ts';
import { patched } from '../domain/life-cycle/patched.ts';
import { type ChangeableFields, distinctLabels, type ImagePatch } from '../domain/request.ts';
import type { Clock } from '../ports/clock.ts';
import type { RecordStore } from '../ports/record-store.ts';
import { expiryOf } from '../retention/expiry.ts';
import type { CheckWebhookUrl } from '../webhooks/webhook-url.ts';

/** Raises the caller's reason not to change the image as it stands. */
export type Precondition = (current: Image) => void;

/**
 * Changes fields of an image that do not make its picture, in any status, and returns it as it is then stored. Raises `not_found`
 * where the image was deleted since it was read, even if another one has its mediaId by now, and what `CheckWebhookUrl` and
 * `precondition` raise; the latter judges the image that the change is made of, in the same transaction.
 */
export type PatchImage = (found: Image, patch: ImagePatch, precondition?: Precondition) => Promise<Image>;

interface PatchDeps {
  readonly records: Pick<RecordStore, 'update'>;
  readonly checkWebhookUrl: CheckWebhookUrl;
  /** How long images with a label are kept, in milliseconds. */
  readonly retentionByLabel: ReadonlyMap<string, number>;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
}

export function createPatch({ records, checkWebhookUrl, retentionByLabel, clock, log }: PatchDeps): PatchImage {
  return async (found, patch, precondition) => {
    const { mediaId } = found;
    checkWebhookUrl(patch.webhookUrl);
    const at = new Date(clock.now()).toISOString();
    const changes = changesOf(patch);
    const pinned = patch.pinned === undefined ? undefined : (patch.pinned ?? false);
    let isSame = false;
    const image = await records.update(mediaId, (current) => {
      isSame = isSameImage(found, current);
      if (!isSame) return null;
      precondition?.(current);
      return patched(current, {
        changes,
        pinned,
        at,
        expiryOf: (next, since) => expiryOf(next, Date.parse(since), retentionByLabel),
      });
    });
    if (image === null || !isSame) throw new ImageError('not_found', `image ${mediaId} was deleted meanwhile`);
    const fields = [...Object.keys(changes), ...(pinned === undefined ? [] : ['pinned'])];
    if (fields.length > 0) log.info({ mediaId, fields }, 'image changed');
    return image;
  };
}

/** The fields that the patch gives, as they are stored: null clears. */
function changesOf({ labels, metadata, ttlSeconds, webhookUrl }: ImagePatch): Partial<ChangeableFields> {
  return {
    ...(labels !== undefined && { labels: distinctLabels(labels) }),
    ...(metadata !== undefined && { metadata: metadata ?? {} }),
    ...(ttlSeconds !== undefined && { ttlSeconds }),
    ...(webhookUrl !== undefined && { webhookUrl }),
  };
}
