import { randomUUID } from 'node:crypto';
import { buildApp } from 'fauxqs';
import type { S3Options } from '../../../src/adapters/storage/s3/client.ts';

/** An S3 server, in this process or elsewhere. */
export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  /** A bucket of this server, and a beginning of keys that is a test's own. */
  place(): S3Place;
}

/** How a test reaches its part of a bucket; also what a store is opened with. */
export interface S3Place extends S3Options {
  readonly endpoint: string;
  readonly prefix: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

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
