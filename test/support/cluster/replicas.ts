/**
 * Replicas by role, as many as a test starts, over a cluster of `cluster.ts` with no faults in between. Their provider is the stand-in
 * model API.
 *
 *     await using cluster = await openReplicas('bucket');
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
  untilListening,
} from '../app/process.ts';
import { type OpenAiServer, startOpenAiServer } from '../openai/server.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { type Cluster, openCluster } from './cluster.ts';

type Environment = Readonly<Record<string, string>>;
type Role = 'all' | 'api' | 'worker';

export interface Replicas extends AsyncDisposable {
  readonly database: { readonly url: string; readonly query: Cluster['query'] };
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
  const upstream = opened.use(await startOpenAiServer());
  const folder = opened.use(await temporaryFolder());
  const cluster = opened.use(await openCluster({ size: 0 }));
  const url = cluster.postgres.url();
  const env = {
    DATABASE_URL: url,
    OPENAI_API_KEY: upstream.key ?? 'none',
    OPENAI_BASE_URL: upstream.baseUrl,
    IMAGE_SIZE: '1024x640',
    IMAGE_RENDITIONS: '256x160.png',
    SHUTDOWN_GRACE_SECONDS: '0',
    ...(pictures === 'folder' ? { MEDIA_SHARED: 'true' } : { MEDIA_DIR: '', ...cluster.env }),
  };
  const replicas = opened.use(new AsyncDisposableStack());
  const launch: Replicas['launch'] = (role, own = {}, options = {}) =>
    replicas.use(startProcess({ folder: folder.path, env: { ...env, ROLE: role, ...own }, ...options }));
  const owned = opened.move();
  return {
    database: { url, query: cluster.query },
    upstream,
    folder: folder.path,
    env,
    start: (role, own) => untilListening(launch(role, own)),
    launch,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
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
