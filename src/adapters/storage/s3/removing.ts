import { DeleteObjectCommand, DeleteObjectsCommand, type S3Client } from '@aws-sdk/client-s3';
import type { CallOptions } from './client.ts';
import { codeOf, isMissing, isNotImplemented } from './faults.ts';
import { inParallel } from './in-parallel.ts';

/** Most keys of one call. */
const BATCH = 1_000;

/** Removes objects; missing ones are no error. Removes all that can be removed, and returns the errors of the others. */
export type RemoveObjects = (keys: readonly string[], call?: CallOptions) => Promise<ReadonlyMap<string, unknown>>;

/** Removes objects in calls of a thousand, or one by one where the server has no such call. */
export function createRemoval(client: S3Client, bucket: string): RemoveObjects {
  let hasBatches = true;

  async function removeOne(key: string, faults: Map<string, unknown>, call?: CallOptions): Promise<void> {
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), call).catch((error: unknown) => {
      if (!isMissing(error)) faults.set(key, error);
    });
  }

  async function removeBatch(keys: readonly string[], faults: Map<string, unknown>, call?: CallOptions): Promise<void> {
    if (hasBatches && keys.length > 1) {
      try {
        const Objects = keys.map((Key) => ({ Key }));
        const answer = await client.send(
          new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }),
          call,
        );
        for (const { Key, Code = 'InternalError', Message } of answer.Errors ?? []) {
          if (Key !== undefined && Code !== 'NoSuchKey') faults.set(Key, failedDelete(Code, Message ?? Code));
        }
        return;
      } catch (error) {
        if (!isNotImplemented(error) && !WANTS_MD5.has(codeOf(error))) {
          for (const key of keys) faults.set(key, error);
          return;
        }
        hasBatches = false;
      }
    }
    await inParallel(keys, (key) => removeOne(key, faults, call));
  }

  return async (keys, call) => {
    const faults = new Map<string, unknown>();
    for (let from = 0; from < keys.length; from += BATCH)
      await removeBatch(keys.slice(from, from + BATCH), faults, call);
    return faults;
  };
}

/** Answers of servers that take `Content-MD5` alone, which the SDK no longer sends. */
const WANTS_MD5: ReadonlySet<string> = new Set(['MissingContentMD5', 'InvalidRequest', 'InvalidDigest', 'BadDigest']);

/** The error of one key, as the SDK would raise that of a call. */
function failedDelete(code: string, message: string): Error {
  const httpStatusCode = code === 'AccessDenied' ? 403 : 500;
  return Object.assign(new Error(message), { name: code, $metadata: { httpStatusCode } });
}
