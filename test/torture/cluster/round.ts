/**
 * One round of torture of a cluster: three replicas under load over one PostgreSQL and one bucket, and one fault after the other. Clients
 * go to any replica that is there. In some rounds a replica that died comes back at once, in the others at the end, so that the rest has
 * to finish its work. At the end every promise is checked.
 */

import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Image } from '../../../src/core/domain/image.ts';
import { openCluster, type Replica } from '../../support/cluster/cluster.ts';
import { startReceiver, TEST_SECRET } from '../../support/network/webhook-receiver.ts';
import { picture } from '../../support/openai/answers.ts';
import { startOpenAiServer } from '../../support/openai/server.ts';
import { randomOf } from '../../support/random.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { canMountTmpfs, mountTmpfs } from '../../support/tmpfs.ts';
import { anyAnswer } from '../answers.ts';
import { AMBIGUOUS_RETRIES } from '../audit-requests.ts';
import { callAll, makeDialectCall } from '../calls.ts';
import type { Target } from '../clients.ts';
import { makeClientRequest, readAll, sendAll } from '../load.ts';
import { withEdits } from '../round.ts';
import { heldJobs, keepDeleted, takeovers, untilFinished } from './database.ts';
import { auditAll } from './end.ts';
import type { Fault } from './faults.ts';
import { anyLife, FRESH, untilAllWork } from './recovery.ts';
import { BUDGET_USD, type ClusterRound } from './state.ts';
import { watchAll } from './watchers.ts';

export interface ClusterRoundOptions {
  readonly seed: string;
  readonly faults: readonly Fault[];
  /** New requests of `POST /images` at each fault; and a fourth as many calls of the OpenAI dialect. */
  readonly requests: number;
}

/** What one fault did. */
export interface Happened {
  readonly fault: string;
  /** From the loss of a replica to the next claim of each of its jobs, in milliseconds. */
  readonly takeoversMs: readonly number[];
  /** From the end of the fault until every living replica answered and finished a fresh picture, in milliseconds. */
  readonly recoveryMs: number;
  /** Replicas that ended. */
  readonly deaths: number;
  /** Violations that were seen while it was there; those of the end of the round come on top. */
  readonly violations: number;
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
}

export interface ClusterRoundReport {
  readonly requests: number;
  readonly accepted: number;
  readonly calls: number;
  readonly deleted: number;
  readonly files: number;
  readonly reads: number;
  /** Files in the bucket that no record names: an hour later the cleanup takes them. */
  readonly orphans: number;
  readonly webhooks: number;
  /** Streams of events that came to their end, and those that were cut. */
  readonly watches: { readonly ended: number; readonly cut: number };
  readonly failed: number;
  /** Whether replicas that died came back at the end only. */
  readonly staysDown: boolean;
  readonly happened: readonly Happened[];
  /** Attempts on record, for the table of faults. */
  readonly images: readonly Image[];
  readonly violations: readonly string[];
}

const CONCURRENCY = 2;
const LONGEST_END_MS = 180_000;
/** A cluster promises 15 s; on a machine that is busy with all of this it may take longer. */
export const TAKEOVER_LIMIT_MS = 25_000;
/** Which client has been given which pictures is known to one process only: each is one of its own, equal to none. */
const NO_LIFE = Number.NaN;
/** Small enough to be filled at once, large enough for a new database and its log. */
const DISK = '220m';

export async function playClusterRound({ seed, faults, requests }: ClusterRoundOptions): Promise<ClusterRoundReport> {
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await temporaryFolder());
  const upstream = parts.use(await startOpenAiServer());
  const receiver = parts.use(await startReceiver());
  const random = randomOf(seed);
  upstream.strict = false;
  upstream.always((call) => (String(call.body.prompt).startsWith(FRESH) ? picture() : anyAnswer(random)));
  // The same message twice at a time is seen only where the first takes a while.
  receiver.always({ delivery: { beforeHeaders: 100 } });
  // PostgreSQL runs as another user, who has to get to its disk.
  await chmod(folder.path, 0o711);
  const disk = canMountTmpfs ? await mountTmpfs(join(folder.path, 'disk'), DISK) : null;
  if (disk) parts.defer(() => disk.unmount());
  const cluster = parts.use(
    await openCluster({
      env: settings(upstream.key ?? 'none', upstream.baseUrl, receiver.host, folder.path),
      ...(disk && {
        dataFolder: join(disk.path, 'postgres'),
        postgresSettings: { max_wal_size: '48MB', min_wal_size: '32MB' },
      }),
    }),
  );
  const deathFile = (replica: Replica) => join(folder.path, `death-${replica.name}`);
  const startReplica = (replica: Replica) => replica.start(anyLife(deathFile(replica)));
  await Promise.all(cluster.replicas.map(startReplica));
  await keepDeleted(cluster);

  const round: ClusterRound = {
    cluster,
    receiver,
    upstream,
    random,
    clientRequests: [],
    dialectCalls: [],
    violations: [],
    killsThreads: false,
    lost: new Map(),
    knowsLosses: false,
    isCluster: true,
    isStorageBroken: false,
    watches: [],
    outages: [],
    reads: 0,
  };
  const target = targetOf(round);
  const staysDown = random() < 0.5;
  const happened: Happened[] = [];
  for (const [life, fault] of faults.entries()) {
    const dead = cluster.replicas.filter(({ isAlive }) => !isAlive);
    // One has to be left.
    if (!staysDown || dead.length > 1) await Promise.all(dead.map(startReplica));
    addRequests(round, life, requests);
    happened.push(await endure(round, target, fault, { deathFile, disk }));
  }

  // Those that are left finish the work of those that died.
  const deadline = Date.now() + LONGEST_END_MS;
  const left = await untilFinished(cluster, deadline);
  for (const { mediaId, status } of left)
    round.violations.push(`${mediaId} is ${status} still, with a part of the replicas`);
  await Promise.all(cluster.replicas.filter(({ isAlive }) => !isAlive).map(startReplica));
  await Promise.all([
    ...sendAll(round, target, new AbortController().signal),
    ...callAll(round, target, NO_LIFE, AbortSignal.timeout(LONGEST_END_MS)),
  ]);
  const end = await auditAll(round, target, deadline);
  return {
    requests: round.clientRequests.length,
    accepted: round.clientRequests.filter(({ accepted }) => accepted).length,
    calls: upstream.calls.length,
    deleted: round.clientRequests.filter(({ deletion }) => deletion === 'done').length,
    reads: round.reads,
    webhooks: receiver.received.length,
    watches: {
      ended: round.watches.filter(({ state }) => state === 'ended').length,
      cut: round.watches.filter(({ state }) => state === 'cut').length,
    },
    staysDown,
    happened,
    ...end,
    violations: round.violations,
  };
}

function settings(key: string, baseUrl: string, host: string, folder: string): Readonly<Record<string, string>> {
  return {
    OPENAI_API_KEY: key,
    OPENAI_BASE_URL: baseUrl,
    IMAGE_MODEL: 'small',
    IMAGE_SIZE: '128x128',
    IMAGE_RENDITIONS: '64x64.webp,32x32.png',
    CONCURRENCY: String(CONCURRENCY),
    DATABASE_POOL: '8',
    AMBIGUOUS_RETRIES: String(AMBIGUOUS_RETRIES),
    BUDGET_USD_PER_DAY: String(BUDGET_USD),
    ...withEdits(folder),
    OPENAI_WAIT_SECONDS: '1',
    RETRY_MAX_ATTEMPTS: '20',
    RETRY_BUDGET_PER_MINUTE: '100000',
    CLEANUP_INTERVAL_SECONDS: '1',
    WEBHOOK_SECRET: TEST_SECRET,
    WEBHOOK_ALLOW_HOSTS: host,
  };
}

/** Any replica that is there, a new one for each request. */
function targetOf({ cluster, random }: ClusterRound): Target {
  return {
    get url() {
      const alive = cluster.replicas.filter(({ isAlive }) => isAlive);
      const all = alive.length > 0 ? alive : cluster.replicas;
      return (all[Math.floor(random() * all.length)] as Replica).url;
    },
    isAlive: true,
  };
}

function addRequests(
  { random, clientRequests, dialectCalls, receiver }: ClusterRound,
  life: number,
  count: number,
): void {
  const earlier = [...clientRequests];
  for (let number = 0; number < count; number++) {
    const request = makeClientRequest(random, life, number, earlier);
    const webhookUrl = random() < 0.4 && { webhookUrl: receiver.url };
    clientRequests.push({ ...request, body: { ...request.body, ...webhookUrl } });
  }
  for (let number = 0; number < count / 4; number++) dialectCalls.push(makeDialectCall(random, life, number));
}

/** Lets the fault happen under load, and waits until the cluster works again. */
async function endure(
  round: ClusterRound,
  target: Target,
  fault: Fault,
  place: Pick<Parameters<Fault['happen']>[0], 'deathFile' | 'disk'>,
): Promise<Happened> {
  const { cluster, upstream, random, violations } = round;
  const from = Date.now();
  const over = new AbortController();
  const load = Promise.all([
    ...sendAll(round, target, over.signal),
    ...callAll(round, target, NO_LIFE, over.signal),
    readAll(round, target, over.signal),
    watchAll(round, target, round.watches, over.signal),
  ]);
  const watches: Promise<readonly number[]>[] = [];
  const lost = () => void watches.push(heldJobs(cluster, Date.now()).then((held) => takeovers(cluster, held)));
  const before = { violations: violations.length, alive: cluster.replicas.filter(({ isAlive }) => isAlive) };
  round.isStorageBroken = fault.hits === 'database' || fault.hits === 'bucket';
  await fault.happen({ cluster, upstream, random, lost, ...place });
  const ended = Date.now();
  await untilAllWork(cluster).catch((error: Error) => violations.push(`${fault.name}: ${error.message}`));
  const recoveryMs = Date.now() - ended;
  round.isStorageBroken = false;
  await delay(500);
  over.abort();
  await load;
  const dead = before.alive.filter(({ isAlive }) => !isAlive);
  if (dead.length > (fault.hits === 'life' ? 1 : 0))
    violations.push(`${fault.name}: ${dead.map(({ name }) => name)} ended`);
  const takeoversMs = (await Promise.all(watches)).flat();
  for (const ms of takeoversMs.filter((ms) => ms > TAKEOVER_LIMIT_MS))
    violations.push(`${fault.name}: a job was taken over after ${(ms / 1000).toFixed(1)} s`);
  const to = Date.now();
  if (fault.hits !== 'bucket') round.outages.push({ from, to });
  return {
    fault: fault.name,
    takeoversMs,
    recoveryMs,
    from,
    to,
    deaths: dead.length,
    violations: violations.length - before.violations,
  };
}
