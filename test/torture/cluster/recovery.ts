/** Whether the replicas of a cluster work, each of them. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster, Replica, ReplicaOptions } from '../../support/cluster/cluster.ts';
import { until } from '../../support/until.ts';
import { post } from '../life.ts';

/** How the prompts of pictures begin that show that a replica works: the model API always paints them. */
export const FRESH = 'a fresh picture';
let fresh = 0;

/** A life of a replica that ends at the step that this file names when SIGURG comes. */
export function anyLife(deathFile: string): ReplicaOptions {
  return { preload: new URL('die-at-step.ts', import.meta.url), env: { DEATH_FILE: deathFile } };
}

/** Resolves once every living replica is ready and has answered for a fresh picture. Rejects where one does not come to that. */
export async function untilAllWork({ replicas }: Pick<Cluster, 'replicas'>): Promise<void> {
  await Promise.all(
    replicas
      .filter(({ isAlive }) => isAlive)
      .map((replica) =>
        until(() => works(replica)).catch((error: Error) => {
          throw new Error(`replica ${replica.name} does not work again: ${error.message}\n${tail(replica)}`);
        }),
      ),
  );
}

async function works({ url, isAlive }: Replica): Promise<boolean> {
  if (!isAlive) return true;
  const ready = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5_000) }).catch(() => null);
  if (!ready?.ok) return false;
  fresh += 1;
  const reply = await post(url, { prompt: `${FRESH} ${fresh}`, mediaId: `fresh-${fresh}` }).catch(() => null);
  return reply?.status === 201;
}

/** Resolves once every replica has made a picture since this was called. */
export async function untilAllMake({ replicas }: Pick<Cluster, 'replicas'>): Promise<void> {
  const before = await Promise.all(replicas.map(callsOf));
  await until(async () => {
    const pictures = replicas
      .flatMap(({ url }) => [url, url])
      .map(async (url) => {
        fresh += 1;
        await post(url, { prompt: `${FRESH} ${fresh}`, mediaId: `fresh-${fresh}` }).catch(() => null);
      });
    await Promise.all(pictures);
    const after = await Promise.all(replicas.map(callsOf));
    await delay(50);
    return after.every((calls, index) => calls > (before[index] ?? 0));
  });
}

/** How many calls the replica has made. */
async function callsOf({ url }: Replica): Promise<number> {
  const text = await fetch(`${url}/metrics`).then((response) => response.text());
  const counts = [...text.matchAll(/^easel_provider_requests_total\{[^}]*\} (\d+)/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

function tail({ service }: Replica): string {
  return `${service?.stdout()}${service?.stderr()}`.slice(-3_000);
}
