import { ImageError } from '../domain/errors.ts';
import { originalName, sha256, toOriginal } from '../domain/file-names.ts';
import type { Image, Original } from '../domain/image.ts';
import { adopted, resumed } from '../domain/transitions.ts';
import { plannedFields } from '../planning/plan.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { Upstreams } from '../upstream/upstreams.ts';
import type { Run } from './job.ts';

/** An image that is being processed, with its durable original. */
export interface StoredOriginal {
  readonly image: Image;
  readonly original: Original;
  readonly bytes: Uint8Array;
}

/**
 * Finds the original that an earlier run, or this run in an earlier process, has paid for; null where there is none.
 * An original whose file is missing or damaged raises `storage_unavailable` while the status is `processing`. For an image that was
 * requested again it is logged, and gives null: the new run pays for another picture.
 */
export type FindStoredOriginal = (run: Run, image: Image) => Promise<StoredOriginal | null>;

export function createFindStoredOriginal({
  store,
  upstreams,
}: {
  readonly store: Pick<MediaStore, 'read'>;
  readonly upstreams: Pick<Upstreams, 'plan'>;
}): FindStoredOriginal {
  return async (run, image) => {
    const found = (await findRecorded(run, image)) ?? (await findUnrecorded(run, image));
    // The status is `processing` only once an original is durable, so one was paid for.
    if (found === null && image.status === 'processing') throw missingOriginal(image);
    return found;
  };

  async function findRecorded(run: Run, { original }: Image): Promise<StoredOriginal | null> {
    if (!original?.sound) return null;
    const bytes = await store.read(original.name);
    if (bytes && sha256(bytes) === original.sha256) return { image: await run.advance(resumed), original, bytes };
    run.log.error({ original: original.name }, 'the original is missing or damaged on disk');
    return null;
  }

  /**
   * Looks for the picture of an attempt that was never closed: the process died during the call, perhaps after the picture was
   * stored. The attempt may belong to an earlier run, such as one that was cancelled just before.
   */
  async function findUnrecorded(run: Run, image: Image): Promise<StoredOriginal | null> {
    for (const { id, provider, outcome, durationMs } of image.attempts.toReversed()) {
      if (outcome !== 'unknown' || durationMs !== null) continue;
      const name = originalName(image.mediaId, id);
      const bytes = await store.read(name);
      if (bytes === null) continue;
      const original = toOriginal(name, bytes);
      const plan = upstreams.plan(provider, image.request);
      const adopting = await run.advance((current) => {
        // The record of a new run names the first provider, which need not be the one that made the picture.
        const isOther = provider !== current.provider;
        return adopted(current, id, original, plan && isOther ? plannedFields(provider, plan) : null);
      });
      run.log.info({ attempt: id }, 'the picture had arrived before the restart; nothing is called again');
      return { image: adopting, original, bytes };
    }
    return null;
  }
}

/**
 * The run fails instead of calling again: the original was paid for and may reappear, for example with a remounted volume.
 * Only a new request may pay twice.
 */
function missingOriginal({ mediaId }: Image): ImageError {
  return new ImageError(
    'storage_unavailable',
    `the original of ${mediaId} is missing or damaged on disk; sent again, the same request uses it if it is back, or has another made`,
    { mediaId },
  );
}
