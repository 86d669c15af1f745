import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageRecord } from '../../../src/core/domain/record.ts';
import { type Cluster, type ClusterOptions, openCluster, type Replica } from '../../support/cluster/cluster.ts';
import { type OpenAiServer, startOpenAiServer } from '../../support/openai/server.ts';
import { until } from '../../support/until.ts';
import { getRecord, post, type Reply } from '../../torture/life.ts';
import { withEdits } from '../../torture/round.ts';

type Name = 'A' | 'B' | 'C';

export interface ThreeReplicas extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly upstream: OpenAiServer;
  /** Starts the replicas with these letters that do not run. */
  start(...names: readonly Name[]): Promise<void>;
  replica(name: Name): Replica;
  /** The outcomes of the attempts on record. */
  outcomes(mediaId: string): Promise<readonly string[]>;
  /** When the last call for this image began, in milliseconds since 1970. */
  calledAt(mediaId: string): Promise<number>;
}

/** A cluster that makes small pictures of 1 cent, with none of its replicas started. */
export async function threeReplicas(options: ClusterOptions = {}): Promise<ThreeReplicas> {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'easel-cluster-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const upstream = parts.use(await startOpenAiServer());
  upstream.strict = false;
  const cluster = parts.use(
    await openCluster({
      ...options,
      env: {
        OPENAI_API_KEY: upstream.key ?? 'none',
        OPENAI_BASE_URL: upstream.baseUrl,
        IMAGE_MODEL: 'small',
        IMAGE_SIZE: '128x128',
        IMAGE_RENDITIONS: '64x64.webp',
        ...withEdits(folder),
        ...options.env,
      },
    }),
  );
  const replica = (name: Name) => {
    const found = cluster.replicas.find((one) => one.name === name);
    if (!found) throw new Error(`there is no replica ${name}`);
    return found;
  };
  const attempts = async (mediaId: string) => {
    const { url } = cluster.replicas.find(({ isAlive }) => isAlive) as { url: string };
    return (await getRecord(url, mediaId))?.attempts ?? [];
  };
  const owned = parts.move();
  return {
    cluster,
    upstream,
    replica,
    async start(...names) {
      await Promise.all(names.map((name) => replica(name).start()));
    },
    async outcomes(mediaId) {
      return (await attempts(mediaId)).map(({ outcome }) => outcome);
    },
    async calledAt(mediaId) {
      return Date.parse(String((await attempts(mediaId)).at(-1)?.startedAt));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Has a picture accepted, and does not wait for it. */
export function submit(url: string, mediaId: string, more: object = {}): Promise<Reply> {
  return post(url, { mediaId, prompt: mediaId, ...more }, { prefer: 'respond-async' });
}

/** The record once it has this status. */
export async function untilStatus(url: string, mediaId: string, status: ImageRecord['status']): Promise<ImageRecord> {
  let record: ImageRecord | null = null;
  await until(async () => {
    record = await getRecord(url, mediaId).catch(() => null);
    return record?.status === status;
  });
  return record as unknown as ImageRecord;
}

/** Resolves once each of these replicas is ready, and has answered for a picture of its own. */
export async function untilEachWorks(replicas: Cluster['replicas'], name: string): Promise<void> {
  await Promise.all(
    replicas.map(async (replica) => {
      const mediaId = `${name}-${replica.name.toLowerCase()}`;
      await until(async () => (await fetch(`${replica.url}/health/ready`).catch(() => null))?.ok);
      await until(async () => {
        const reply = await post(replica.url, { mediaId, prompt: mediaId }).catch(() => null);
        return reply?.status === 201 || reply?.status === 200;
      });
    }),
  );
}

/** Prints how long something took: the figures are promised, and a busy machine may take longer. */
export function report(what: string, ms: number): void {
  console.log(`${what}: ${(ms / 1_000).toFixed(2)} s`);
}
