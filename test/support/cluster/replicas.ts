/**
 * Replicas as an operator runs them: processes over one PostgreSQL database, with the pictures in a bucket of a real S3 server or in one
 * folder, and the stand-in model API as their provider.
 *
 *     await using cluster = await openReplicas();
 *     const api = await cluster.start('api');
 *     const worker = await cluster.start('worker');
 *     const { status, body } = await post(api, { prompt: 'a lighthouse' });
 */

import type { ImageRecord } from '../../../src/core/domain/record.ts';
import {
  type ProcessOptions,
  type RunningProcess,
  type RunningService,
  startProcess,
  startService,
} from '../app/process.ts';
import { type OpenAiServer, startOpenAiServer } from '../openai/server.ts';
import { createTestDatabase, type TestDatabase } from '../postgres/shared-server.ts';
import { startS3Server } from '../s3/server.ts';
import { temporaryFolder } from '../temporary-folder.ts';

type Environment = Readonly<Record<string, string>>;
type Role = 'all' | 'api' | 'worker';

export interface Replicas extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly upstream: OpenAiServer;
  /** Where the replicas run, and keep their pictures unless these are in a bucket. */
  readonly folder: string;
  /** The settings that all replicas share. */
  readonly env: Environment;
  /** Starts a replica, and resolves when it listens. It ends with the cluster. */
  start(role: Role, env?: Environment): Promise<RunningService>;
  /** Starts a replica that may not get as far as that. */
  launch(role: Role, env?: Environment, options?: Partial<ProcessOptions>): RunningProcess;
}

/** Opens the database and the place of the pictures; no replica runs yet. */
export async function openReplicas(pictures: 'bucket' | 'folder' = 'folder'): Promise<Replicas> {
  await using opened = new AsyncDisposableStack();
  const database = await createTestDatabase();
  opened.defer(() => database.drop());
  const upstream = opened.use(await startOpenAiServer());
  const folder = opened.use(await temporaryFolder());
  const env = {
    DATABASE_URL: database.url,
    OPENAI_API_KEY: upstream.key ?? 'none',
    OPENAI_BASE_URL: upstream.baseUrl,
    IMAGE_SIZE: '1024x640',
    IMAGE_RENDITIONS: '256x160.png',
    SHUTDOWN_GRACE_SECONDS: '0',
    ...(pictures === 'folder' ? { MEDIA_SHARED: 'true' } : await bucket(opened)),
  };
  const replicas = opened.use(new AsyncDisposableStack());
  const settings = (role: Role, own: Environment) => ({ ...env, ROLE: role, ...own });
  const resources = opened.move();
  return {
    database,
    upstream,
    folder: folder.path,
    env,
    async start(role, own = {}) {
      return replicas.use(await startService({ folder: folder.path, env: settings(role, own) }));
    },
    launch: (role, own = {}, options = {}) =>
      replicas.use(startProcess({ folder: folder.path, env: settings(role, own), ...options })),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** The settings for a bucket of a server that ends with `opened`. */
async function bucket(opened: AsyncDisposableStack): Promise<Environment> {
  const { bucket, endpoint, prefix, region, credentials } = opened.use(await startS3Server()).place();
  return {
    MEDIA_DIR: '',
    S3_BUCKET: bucket,
    S3_ENDPOINT: `${endpoint}`,
    S3_PREFIX: `${prefix}`,
    S3_REGION: region,
    AWS_ACCESS_KEY_ID: `${credentials?.accessKeyId}`,
    AWS_SECRET_ACCESS_KEY: `${credentials?.secretAccessKey}`,
  };
}

export interface Answer {
  readonly status: number;
  readonly body: ImageRecord & { readonly code: string; readonly detail: string };
}

/** `POST /images` at a replica. */
export async function post(
  { url }: Pick<RunningService, 'url'>,
  request: object,
  headers: Environment = {},
): Promise<Answer> {
  return await answerOf(
    await fetch(`${url}/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(request),
    }),
  );
}

/** `POST /images/:mediaId/cancel` at a replica. */
export async function cancel({ url }: Pick<RunningService, 'url'>, mediaId: string): Promise<Answer> {
  return await answerOf(await fetch(`${url}/images/${mediaId}/cancel`, { method: 'POST' }));
}

/** The record, as a replica shows it. */
export async function recordAt({ url }: Pick<RunningService, 'url'>, mediaId: string): Promise<ImageRecord> {
  return (await (await fetch(`${url}/images/${mediaId}`)).json()) as ImageRecord;
}

async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}
