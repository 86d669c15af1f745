import type { Logger } from 'pino';
import type { S3Options } from '../../adapters/storage/s3/client.ts';
import type { BucketSettings } from '../../config/storage-settings.ts';
import { StorageSetupError } from '../../core/domain/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { MediaStore } from '../../core/ports/media-store.ts';
import type { RecordStore } from '../../core/ports/record-store.ts';
import { claimStore } from '../../core/retention/claim.ts';

interface BucketParts {
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Opens the bucket of the pictures for these records alone, once its server answers. Raises `StorageSetupError` where that does not happen
 * in time or the bucket cannot be used, `ForeignMediaError` where it belongs to another database, and `ImageError` where its server was
 * lost meanwhile.
 */
export async function openBucket(
  { bucket, endpoint, region, prefix, forcePathStyle, adopt }: BucketSettings,
  { records, clock, log }: BucketParts,
  opened: AsyncDisposableStack,
): Promise<MediaStore> {
  // The SDK is loaded only where there is a bucket.
  const { checkBucket, UnusableBucketError } = await import('../../adapters/storage/s3/check-bucket.ts');
  const { createS3Store } = await import('../../adapters/storage/s3/store.ts');
  const options: S3Options = { bucket, region, prefix, forcePathStyle, endpoint: endpoint ?? undefined };
  await checkBucket(options, { clock, log }).catch((error: unknown) => {
    if (!(error instanceof UnusableBucketError)) throw error;
    throw new StorageSetupError(`S3_BUCKET: ${error.message}`, { cause: error });
  });
  const store = createS3Store(options);
  opened.defer(async () => store.close());
  await claimStore({ store, records, place: `the bucket s3://${bucket}/${prefix}`, adopt, log });
  return store;
}
