import { randomUUID } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Logger } from 'pino';
import type { Clock } from '../../../core/ports/clock.ts';
import { createClient, type S3Options } from './client.ts';
import { asImageError, explain, isUnreachable } from './faults.ts';
import { createKeys } from './keys.ts';

/** The bucket cannot be used. The message is one sentence that says what to do. */
export class UnusableBucketError extends Error {
  override readonly name = 'UnusableBucketError';
}

/** How long a server that cannot be reached is tried, and how often, in milliseconds. */
const UNREACHABLE_MS = 30_000;
const PAUSE_MS = 1_000;

/**
 * Tries at the start what Easel does in its bucket: list, put, get and delete. A server that does not answer is tried again for 30
 * seconds. Raises `UnusableBucketError` where the bucket does not exist, is in another region, refuses one of these, cannot be reached or
 * locks its objects, so that nothing could be deleted. Versions that the bucket keeps are noted in the log.
 */
export async function checkBucket(
  options: S3Options,
  { clock, log }: { readonly clock: Pick<Clock, 'monotonic' | 'sleep'>; readonly log: Pick<Logger, 'info' | 'warn'> },
): Promise<void> {
  const client = createClient(options, 1);
  const deadline = clock.monotonic() + UNREACHABLE_MS;
  let waited = false;
  try {
    for (;;) {
      try {
        await tryCalls(client, options);
        break;
      } catch (error) {
        if (!(error instanceof Failure) || !isUnreachable(error.cause) || clock.monotonic() >= deadline)
          throw refusal(error, options);
        if (!waited)
          log.warn({ reason: explain(error.cause as Error, options) }, 'the S3 server is not there yet, trying again');
        waited = true;
      }
      await clock.sleep(PAUSE_MS);
    }
    await refuseLock(client, options.bucket);
    if (await keepsVersions(client, options.bucket)) {
      log.warn(
        { bucket: options.bucket },
        'the bucket keeps the versions of deleted pictures, which take room until a rule of the bucket removes them',
      );
    }
  } finally {
    client.destroy();
  }
}

const PROBE = 'Easel looks whether it can write here.\n';

/** A call that failed, and the right that it needs. */
class Failure extends Error {
  readonly right: string;

  constructor(right: string, cause: unknown) {
    super(right, { cause });
    this.right = right;
  }
}

async function tryCalls(client: S3Client, { bucket, prefix = '' }: S3Options): Promise<void> {
  const keys = createKeys(prefix);
  const probe = { Bucket: bucket, Key: `${keys.probes}${randomUUID()}` };
  const needing = async <T>(right: string, call: Promise<T>): Promise<T> =>
    call.catch((error: unknown) => {
      throw new Failure(right, error);
    });
  const list = new ListObjectsV2Command({ Bucket: bucket, Prefix: keys.root, MaxKeys: 1 });
  await needing('s3:ListBucket', client.send(list));
  await needing('s3:PutObject', client.send(new PutObjectCommand({ ...probe, Body: PROBE })));
  const got = await needing('s3:GetObject', client.send(new GetObjectCommand(probe)));
  const content = await needing('s3:GetObject', got.Body?.transformToString() ?? Promise.resolve(''));
  if (content !== PROBE) {
    throw new UnusableBucketError(
      'the server gives other content than it was given: it is no S3 server; correct S3_ENDPOINT',
    );
  }
  await needing('s3:DeleteObject', client.send(new DeleteObjectCommand(probe)));
}

function refusal(error: unknown, options: S3Options): unknown {
  if (!(error instanceof Failure)) return error;
  const { cause, right } = error;
  if (!(cause instanceof Error)) return cause;
  if (asImageError(cause, 'use', options) === cause) return cause;
  return new UnusableBucketError(explain(cause, options, `the right ${right}`), { cause });
}

/** What a server does not tell, or may not tell us, is no reason not to start. */
async function refuseLock(client: S3Client, bucket: string): Promise<void> {
  const answer = await client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket })).catch(() => null);
  if (answer?.ObjectLockConfiguration?.ObjectLockEnabled !== 'Enabled') return;
  throw new UnusableBucketError(
    `the bucket ${bucket} has Object Lock, under which pictures cannot be deleted; use a bucket without it`,
  );
}

async function keepsVersions(client: S3Client, bucket: string): Promise<boolean> {
  const answer = await client.send(new GetBucketVersioningCommand({ Bucket: bucket })).catch(() => null);
  return answer?.Status === 'Enabled';
}
