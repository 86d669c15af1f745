import { faultFields } from '../domain/errors.ts';
import { withLeftovers } from '../domain/life-cycle/leftovers.ts';
import type { MediaStore } from '../ports/media-store.ts';
import type { Job } from './job.ts';

/**
 * Gives up files that the job has stored for an image that was cancelled, deleted or claimed by another process meanwhile. The record notes
 * them for the image's deletion: as another process may be publishing the same content, none is removed before that. They are removed where
 * the image is deleted already. Never rejects; what fails is left to the cleanups.
 */
export async function giveUpFiles(
  job: Job,
  store: Pick<MediaStore, 'remove'>,
  names: readonly string[],
): Promise<void> {
  try {
    if ((await job.change((image) => withLeftovers(image, names))) === null) await store.remove(names);
  } catch (error) {
    job.log.warn({ names, ...faultFields(error) }, 'files that no picture needs are left to the next cleanup');
  }
}
