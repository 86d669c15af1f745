import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { isMissing, isNotImplemented } from './faults.ts';

/** An object of the bucket. */
interface ListedObject {
  readonly key: string;
  readonly bytes: number;
  readonly modifiedAt: number;
}

/** Every object whose key begins so, in pages of a thousand. */
export async function* listObjects(client: S3Client, bucket: string, prefix: string): AsyncGenerator<ListedObject> {
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        // A key of another program may hold what XML cannot.
        EncodingType: 'url',
        ...(token !== undefined && { ContinuationToken: token }),
      }),
    );
    for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
      // Only some servers encode, and say so.
      const key = page.EncodingType === 'url' ? decodeURIComponent(Key.replaceAll('+', ' ')) : Key;
      yield { key, bytes: Size, modifiedAt: LastModified?.getTime() ?? 0 };
    }
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}

/** Ends uploads in parts that began before `before`, in milliseconds since 1970, and whose parts take room that no list shows. */
export async function abortUploads(client: S3Client, bucket: string, prefix: string, before: number): Promise<void> {
  let markers: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } | null = {};
  while (markers !== null) {
    const page: Awaited<ReturnType<typeof pageOfUploads>> = await pageOfUploads(client, bucket, prefix, markers);
    if (page === null) return;
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (Initiated === undefined || Initiated.getTime() >= before) continue;
      await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId })).catch(ignoreMissing);
    }
    const { IsTruncated, NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
    markers = IsTruncated && KeyMarker && UploadIdMarker ? { KeyMarker, UploadIdMarker } : null;
  }
}

/** A page of the uploads in parts that have not ended; null from a server that does not list them. */
async function pageOfUploads(client: S3Client, bucket: string, prefix: string, markers: object) {
  return client
    .send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, ...markers }))
    .catch((error: unknown) => {
      if (isNotImplemented(error)) return null;
      throw error;
    });
}

/** Another replica was faster. */
function ignoreMissing(error: unknown): void {
  if (!isMissing(error) && (error as Error).name !== 'NoSuchUpload') throw error;
}
