/** A bucket of a real S3 server on loopback, for processes of the service. */

import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { buildApp } from 'fauxqs';

export interface Bucket extends AsyncDisposable {
  readonly name: string;
  /** The origin of the server. */
  readonly url: string;
  /** Credentials and region, as environment variables. */
  readonly env: Readonly<Record<string, string>>;
  /** A client for what a test itself looks at. */
  readonly client: S3Client;
}

const NAME = 'pictures';
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };

/** Starts a server and makes the bucket. */
export async function startBucket(): Promise<Bucket> {
  await using parts = new AsyncDisposableStack();
  const server = buildApp({ logger: false });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  parts.defer(() => server.close());
  const client = new S3Client({
    endpoint: url,
    forcePathStyle: true,
    region: CREDENTIALS.AWS_REGION,
    credentials: {
      accessKeyId: CREDENTIALS.AWS_ACCESS_KEY_ID,
      secretAccessKey: CREDENTIALS.AWS_SECRET_ACCESS_KEY,
    },
  });
  parts.defer(() => client.destroy());
  await client.send(new CreateBucketCommand({ Bucket: NAME }));
  const owned = parts.move();
  return { name: NAME, url, env: CREDENTIALS, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
