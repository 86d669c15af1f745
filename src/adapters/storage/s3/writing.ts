import { createHash } from 'node:crypto';
import { CopyObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { hasChecksum } from '../../../core/domain/file-names.ts';
import type { CallOptions } from './client.ts';
import type { ObjectHead } from './reading.ts';

/** Larger objects are sent in parts of this size, so that a broken connection costs a part and no answer takes too long. */
export const PART_BYTES = 8 * 1024 * 1024;
/** Parts of one object that are sent at the same time. */
const PARTS_AT_ONCE = 3;

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  avif: 'image/avif',
};

interface Target {
  readonly client: S3Client;
  readonly bucket: string;
}

/**
 * Stores or replaces an object, which is durable when this resolves, and whole or not there at any time. The SHA-256 is sent along: a
 * server that knows it refuses bytes that were damaged on the way, and keeps it. Parts of a large object that failed are removed. `call`
 * ends the sending of an object that is not sent in parts.
 */
export async function putObject(
  { client, bucket }: Target,
  key: string,
  name: string,
  bytes: Uint8Array,
  call?: CallOptions,
): Promise<void> {
  const Body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const params = { Bucket: bucket, Key: key, Body, ...headersOf(name) };
  if (bytes.byteLength > PART_BYTES) {
    const upload = new Upload({
      client,
      params: { ...params, ChecksumAlgorithm: 'SHA256' },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_ONCE,
      leavePartsOnError: false,
    });
    await upload.done();
    return;
  }
  const ChecksumSHA256 = createHash('sha256').update(Body).digest('base64');
  await client.send(new PutObjectCommand({ ...params, ContentLength: Body.length, ChecksumSHA256 }), call);
}

/**
 * Copies an object inside the bucket, without its bytes coming here; the version that `head` describes, or nothing. Its type and caching
 * become those of the new name.
 */
export async function copyObject(
  { client, bucket }: Target,
  source: { readonly key: string; readonly head: ObjectHead },
  key: string,
  name: string,
): Promise<void> {
  await client.send(
    new CopyObjectCommand({
      Bucket: bucket,
      Key: key,
      CopySource: [bucket, ...source.key.split('/')].map(encodeURIComponent).join('/'),
      ...(source.head.etag !== undefined && { CopySourceIfMatch: source.head.etag }),
      MetadataDirective: 'REPLACE',
      ...headersOf(name),
    }),
  );
}

/** How an object is served to those who read the bucket itself, such as a CDN. Originals and inputs are for Easel alone. */
function headersOf(name: string) {
  const ContentType = MEDIA_TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
  return { ContentType, CacheControl: name.includes('/') ? 'private, no-store' : cachingOf(name) };
}

/** A name without its checksum is another picture's once this one is made again. */
function cachingOf(name: string): string {
  return hasChecksum(name) ? 'public, max-age=31536000, immutable' : 'public, max-age=300, must-revalidate';
}
