import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { MediaStore } from '../../core/ports/media-store.ts';
import { openMediaFolder, openSharedFolder } from '../start/open-storage.ts';
import { openBucket } from './bucket.ts';
import type { Stores } from './stores.ts';

interface MediaParts {
  readonly stores: Pick<Stores, 'records' | 'locks' | 'cluster'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Opens the store of the pictures for these records alone, and marks it as theirs. Raises `StorageSetupError` where the bucket cannot be
 * used, or a folder is not the one that the other replicas share, and `ForeignMediaError` where it belongs to another database.
 */
export async function openMedia(
  media: Config['media'],
  { stores, clock, log }: MediaParts,
  opened: AsyncDisposableStack,
): Promise<MediaStore> {
  const { records, cluster } = stores;
  if (media.kind === 's3') return await openBucket(media, { records, clock, log }, opened);
  if (cluster === null) return await openMediaFolder(media, records, log, opened);
  return await openSharedFolder(media, { ...stores, firstMark: cluster.firstMark, clock, log });
}
