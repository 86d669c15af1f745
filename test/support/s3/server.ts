import { randomUUID } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { buildApp } from 'fauxqs';
import { createClient } from '../../../src/adapters/storage/s3/client.ts';
import { inParallel } from '../../../src/adapters/storage/s3/in-parallel.ts';

/** An S3 server, in this process or elsewhere. */
export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  /** A bucket of this server, and a beginning of keys that is a test's own. */
  place(): S3Place;
  /** Stores many small objects, without the work that a store has with each. */
  fill(place: S3Place, keys: readonly string[], content: string): Promise<void>;
}

/** Where the files of a test are, as `createS3Store` takes it. */
export interface S3Place {
  readonly bucket: string;
  readonly region: string;
  readonly endpoint: string;
  readonly prefix: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** Milliseconds, for stores that are not tried for their own: long, as a busy machine may take ten times as long as another. */
export const LONG_TIMEOUTS = { connectMs: 100_000, answerMs: 100_000, chunkMs: 100_000 };

const REGION = 'us-east-1';
const BUCKET = 'easel-tests';

/**
 * Starts a server on a free port of 127.0.0.1, empty and in memory. `TEST_S3_ENDPOINT` and `TEST_S3_BUCKET` name another one, with the AWS
 * credential variables; the bucket must exist, and the tests leave nothing in it that they can remove.
 */
export async function startS3Server(port = 0): Promise<S3Server> {
  const { TEST_S3_ENDPOINT, TEST_S3_BUCKET, AWS_REGION = REGION } = process.env;
  if (TEST_S3_ENDPOINT && TEST_S3_BUCKET) {
    const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = process.env;
    const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
    return {
      endpoint: TEST_S3_ENDPOINT,
      place: () => ({
        endpoint: TEST_S3_ENDPOINT,
        bucket: TEST_S3_BUCKET,
        region: AWS_REGION,
        prefix: `test-${randomUUID()}`,
        credentials,
      }),
      async fill(place, keys, content) {
        const client = createClient(place, 16);
        const { bucket: Bucket } = place;
        await inParallel(keys, async (Key) => {
          await client.send(new PutObjectCommand({ Bucket, Key, Body: content }));
        });
        client.destroy();
      },
      async [Symbol.asyncDispose]() {},
    };
  }
  const app = buildApp({ logger: false });
  const endpoint = await app.listen({ host: '127.0.0.1', port });
  await fetch(`${endpoint}/${BUCKET}`, { method: 'PUT' });
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  return {
    endpoint,
    place: () => ({ endpoint, bucket: BUCKET, region: REGION, prefix: `test-${randomUUID()}`, credentials }),
    async fill({ bucket }, keys, content) {
      // This server asks for no signature.
      await inParallel(keys, async (key) => {
        await fetch(`${endpoint}/${bucket}/${key}`, { method: 'PUT', body: content });
      });
    },
    async [Symbol.asyncDispose]() {
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

// `node test/support/s3/server.ts [port]`: a server in a process of its own, until it is ended. Its first line is its endpoint.
if (import.meta.main) {
  const server = await startS3Server(Number(process.argv[2] ?? 0));
  console.log(server.endpoint);
}
