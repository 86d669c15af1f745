/** Several replicas of the service, each a process of its own, over one PostgreSQL server and one bucket, and faults between them. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import pg from 'pg';
import { type RunningProcess, type RunningService, startProcess, untilListening } from '../app/process.ts';
import { startTcpProxy, type TcpProxy } from '../network/tcp-proxy.ts';
import { type PostgresServer, startPostgres } from '../postgres/server.ts';
import { type FaultyProxy, startFaultyProxy } from '../s3/faulty-proxy.ts';
import { startS3Server } from '../s3/server.ts';
import { temporaryFolder } from '../temporary-folder.ts';

/** Settings of one life of a replica, and what is loaded ahead of it. */
export interface ReplicaOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly preload?: URL;
}

/** One replica: a place where the service runs, ends and is started again. */
export interface Replica {
  /** A, B, C … */
  readonly name: string;
  /** The network between it and PostgreSQL. */
  readonly network: TcpProxy;
  /** The process; null before the first start. */
  readonly service: RunningService | null;
  /** Whether it runs and is not paused. */
  readonly isAlive: boolean;
  /** The URL of the running process. */
  readonly url: string;
  /** Starts it, which has not run yet or has ended, and resolves when it listens. It ends with the cluster. */
  start(options?: ReplicaOptions): Promise<RunningService>;
  /** Starts the process without waiting for anything: one that may never listen. */
  launch(options?: ReplicaOptions): RunningProcess;
  /** Pauses the process as a hypervisor does, or lets it go on. */
  pause(): void;
  resume(): void;
}

export interface Cluster extends AsyncDisposable {
  readonly replicas: readonly Replica[];
  readonly postgres: PostgresServer;
  /** The bucket, past the faults of `storage`. */
  readonly bucket: { readonly name: string; readonly client: S3Client };
  /** The settings that all replicas share, with which they find the bucket. */
  readonly env: Readonly<Record<string, string>>;
  /** What is between the replicas and the bucket. */
  readonly storage: FaultyProxy;
  /** Runs one statement, over a connection of its own that no fault touches. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  /** Ends every connection of the replicas. Resolves with their number. */
  terminateConnections(): Promise<number>;
}

export interface ClusterOptions {
  /** How many replicas; three by default. They are not started yet. */
  readonly size?: number;
  /** Settings of all of them. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where PostgreSQL keeps its data, a folder of its own; a temporary one by default. */
  readonly dataFolder?: string;
  readonly postgresSettings?: Readonly<Record<string, string>>;
  /** Whether PostgreSQL flushes its commits to the disk; false by default. */
  readonly durable?: boolean;
}

/** Starts PostgreSQL and the bucket. */
export async function openCluster({
  size = 3,
  env = {},
  dataFolder,
  postgresSettings,
  durable = false,
}: ClusterOptions = {}): Promise<Cluster> {
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await temporaryFolder());
  const postgres = await startPostgres({
    durable,
    ...(dataFolder !== undefined && { folder: dataFolder }),
    ...(postgresSettings && { settings: postgresSettings }),
  });
  parts.defer(() => postgres.stop());
  const s3 = parts.use(await startS3Server());
  const storage = parts.use(await startFaultyProxy(s3.endpoint));
  const { bucket, prefix, region, credentials, endpoint } = s3.place();
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  parts.defer(() => client.destroy());
  const shared = {
    S3_BUCKET: bucket,
    S3_PREFIX: prefix,
    S3_ENDPOINT: storage.endpoint,
    S3_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    ...env,
  };
  const replicas: Replica[] = [];
  for (const name of Array.from({ length: size }, (_, index) => String.fromCharCode(65 + index))) {
    const network = parts.use(await startTcpProxy(postgres.port));
    const databaseUrl = Object.assign(new URL(postgres.url()), { port: String(network.port) }).href;
    const home = join(folder.path, name);
    await mkdir(home);
    const replica = createReplica(name, network, home, { ...shared, DATABASE_URL: databaseUrl });
    parts.defer(() => replica.end());
    replicas.push(replica);
  }
  const query = async (text: string, values: readonly unknown[] = []) => {
    const client = new pg.Client({ connectionString: postgres.url(), connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text, [...values])).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const owned = parts.move();
  return {
    replicas,
    postgres,
    bucket: { name: bucket, client },
    env: shared,
    storage,
    query,
    async terminateConnections() {
      const ended = await query(`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`);
      return ended.length;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function createReplica(
  name: string,
  network: TcpProxy,
  folder: string,
  env: Readonly<Record<string, string>>,
): Replica & { end(): Promise<void> } {
  let service: RunningService | null = null;
  let isPaused = false;
  const launched: RunningProcess[] = [];
  /** Ends with the cluster even where it never listens. */
  const launch = ({ env: more = {}, preload }: ReplicaOptions = {}) => {
    const started = startProcess({ folder, env: { ...env, ...more }, ...(preload && { preload }) });
    launched.push(started);
    return started;
  };
  const running = (): RunningService => {
    if (service === null) throw new Error(`replica ${name} was not started`);
    return service;
  };
  return {
    name,
    network,
    get service() {
      return service;
    },
    get isAlive() {
      return service !== null && !isPaused && service.child.exitCode === null && service.child.signalCode === null;
    },
    get url() {
      return running().url;
    },
    async start(options = {}) {
      const started = launch(options);
      service = await untilListening(started);
      isPaused = false;
      return service;
    },
    launch,
    pause() {
      isPaused = true;
      running().child.kill('SIGSTOP');
    },
    resume() {
      running().child.kill('SIGCONT');
      isPaused = false;
    },
    async end() {
      await Promise.all(launched.map((each) => each[Symbol.asyncDispose]()));
    },
  };
}
