/** What is done to a cluster in a round of torture: one fault at a time, under load. */

import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster, Replica } from '../../support/cluster/cluster.ts';
import type { OpenAiServer } from '../../support/openai/server.ts';
import type { S3Fault } from '../../support/s3/faulty-proxy.ts';
import type { Tmpfs } from '../../support/tmpfs.ts';
import { STEPS, STEPS_OF_DELETION, type Step } from '../steps.ts';

/** Where and how a fault happens. */
export interface Scene {
  readonly cluster: Cluster;
  readonly upstream: OpenAiServer;
  readonly random: () => number;
  /** The small disk that PostgreSQL's data is on; null where this machine has none. */
  readonly disk: Tmpfs | null;
  /** The file from which a replica reads the step at which it ends. */
  readonly deathFile: (replica: Replica) => string;
  /** Call at the moment at which a replica ends or stands still. */
  readonly lost: (replica: Replica) => void;
}

export interface Fault {
  readonly name: string;
  /** What fails: a replica that dies or stands still, the database or the network to it, or the bucket. */
  readonly hits: 'life' | 'pause' | 'database' | 'bucket';
  /** Resolves when the fault is over. */
  readonly happen: (scene: Scene) => Promise<void>;
}

/** A replica that does not reach its step is killed after so many milliseconds. */
const LONGEST_LIFE_MS = 6_000;
/** A supervisor takes over what has no heartbeat for 15 s. */
const PAUSE_MS = 18_000;

/** Every fault, each once. */
export const FAULTS: readonly Fault[] = [
  ...(Object.keys(STEPS) as Step[]).map(
    (step): Fault => ({
      name: `SIGKILL ${step}`,
      hits: 'life',
      happen: (scene) => (step === 'afterSend' ? killAfterSend(scene) : killAtStep(scene, step)),
    }),
  ),
  { name: 'SIGKILL at random', hits: 'life', happen: (scene) => kill(scene, anyReplica(scene), 1_500) },
  { name: 'SIGSTOP 18 s', hits: 'pause', happen: pause },
  { name: 'pg_terminate_backend', hits: 'database', happen: terminate },
  { name: 'PostgreSQL killed', hits: 'database', happen: crashDatabase },
  { name: 'PostgreSQL disk full', hits: 'database', happen: fillDisk },
  { name: 'S3 503 and 500 after a write', hits: 'bucket', happen: failStorage },
  { name: 'S3 slow', hits: 'bucket', happen: slowStorage },
  { name: 'network reset', hits: 'database', happen: resetNetwork },
  { name: 'network refused 6 s', hits: 'database', happen: (scene) => cutNetwork(scene, 'refused', 6_000) },
  { name: 'network stalled 20 s', hits: 'database', happen: (scene) => cutNetwork(scene, 'stalled', 20_000) },
];

function anyReplica({ cluster, random }: Scene): Replica {
  const alive = cluster.replicas.filter(({ isAlive }) => isAlive);
  const replica = alive[Math.floor(random() * alive.length)];
  if (!replica) throw new Error('no replica is alive');
  return replica;
}

// ---------------------------------------------------------------- deaths

async function kill(scene: Scene, replica: Replica, withinMs: number): Promise<void> {
  await delay(scene.random() * withinMs);
  replica.service?.child.kill('SIGKILL');
  scene.lost(replica);
  await replica.service?.exited;
}

async function killAtStep(scene: Scene, step: Step): Promise<void> {
  const replica = anyReplica(scene);
  const on = 1 + Math.floor(scene.random() * (STEPS_OF_DELETION.has(step) ? 1 : 4));
  writeFileSync(scene.deathFile(replica), JSON.stringify({ step, on }));
  replica.service?.child.kill('SIGURG');
  const end = replica.service?.exited;
  const isReached = await Promise.race([end?.then(() => true), delay(LONGEST_LIFE_MS, false)]);
  if (isReached) scene.lost(replica);
  else await kill(scene, replica, 0);
}

async function killAfterSend(scene: Scene): Promise<void> {
  const { upstream, random } = scene;
  const replica = anyReplica(scene);
  await Promise.race([upstream.received(upstream.calls.length + 1 + Math.floor(random() * 8)), delay(LONGEST_LIFE_MS)]);
  await kill(scene, replica, 0);
}

async function pause(scene: Scene): Promise<void> {
  const replica = anyReplica(scene);
  // Rather in the middle of a call than before one.
  await Promise.race([scene.upstream.received(scene.upstream.calls.length + 2), delay(LONGEST_LIFE_MS)]);
  replica.pause();
  scene.lost(replica);
  await delay(PAUSE_MS);
  replica.resume();
}

// ------------------------------------------------------------ PostgreSQL

async function terminate({ cluster, random }: Scene): Promise<void> {
  for (let time = 0; time < 4; time += 1) {
    await delay(random() * 800);
    await cluster.terminateConnections();
  }
}

async function crashDatabase({ cluster, random }: Scene): Promise<void> {
  await delay(random() * 1_000);
  await cluster.postgres.kill();
  await delay(1_000 + random() * 3_000);
  await cluster.postgres.restart();
}

async function fillDisk({ cluster, random, disk }: Scene): Promise<void> {
  if (disk === null) return;
  await delay(random() * 1_000);
  await disk.fill();
  await delay(6_000);
  await disk.empty();
  // Without room for its log it may have ended, and then has to be started again.
  const isUp = await cluster.query('SELECT 1').then(
    () => true,
    () => false,
  );
  if (!isUp) await cluster.postgres.restart();
}

// --------------------------------------------------------------- storage

const BUSY: S3Fault = { kind: 'refuse', status: 503, code: 'SlowDown' };
const FAILED: S3Fault = { kind: 'fail-after', status: 500, code: 'InternalError' };

async function failStorage({ cluster: { storage }, random }: Scene): Promise<void> {
  storage.fault = () => BUSY;
  await delay(4_000);
  storage.fault = ({ method }) => {
    const draw = random();
    if (draw < 0.4) return BUSY;
    return draw < 0.7 && method === 'PUT' ? FAILED : null;
  };
  await delay(5_000);
  storage.fault = () => null;
}

async function slowStorage({ cluster: { storage }, random }: Scene): Promise<void> {
  storage.fault = () => ({ kind: 'hold', until: delay(random() * 3_000) });
  await delay(8_000);
  storage.fault = () => null;
}

// --------------------------------------------------------------- network

async function resetNetwork(scene: Scene): Promise<void> {
  const replica = anyReplica(scene);
  for (let time = 0; time < 5; time += 1) {
    await delay(scene.random() * 600);
    replica.network.reset();
  }
}

async function cutNetwork(scene: Scene, state: 'refused' | 'stalled', ms: number): Promise<void> {
  const replica = anyReplica(scene);
  await delay(scene.random() * 500);
  replica.network.set(state);
  scene.lost(replica);
  await delay(ms);
  replica.network.set('open');
}
