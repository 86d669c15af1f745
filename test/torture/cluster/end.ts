/** The end of a round of torture of a cluster: all work is waited for, and every promise checked. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Image } from '../../../src/core/domain/image.ts';
import { auditBooks, auditCall, auditRequest } from '../audit-requests.ts';
import type { Target } from '../clients.ts';
import { remove } from '../load.ts';
import { auditBucket, auditPictures, auditWebhooks, isDelivered } from './audit.ts';
import { miscounted, readDeleted, readImages, readSpending, untilFinished } from './database.ts';
import { auditPayments } from './payments.ts';
import { untilAllMake } from './recovery.ts';
import { BUDGET_USD, type ClusterRound } from './state.ts';
import { auditWatches } from './watchers.ts';

const LONGEST_DELIVERY_MS = 90_000;

/** Waits for all work, and adds what is wrong to the round's violations. Then it ends the replicas by SIGTERM. */
export async function auditAll(
  round: ClusterRound,
  target: Target,
  deadline: number,
): Promise<{
  readonly files: number;
  readonly failed: number;
  readonly orphans: number;
  readonly images: readonly Image[];
}> {
  const { cluster, violations, clientRequests, dialectCalls, receiver } = round;
  for (const request of clientRequests)
    if (request.deletion === 'begun' && !request.body.ttlSeconds) await remove(request, target);
  await untilAllMake(cluster).catch((error: Error) =>
    violations.push(`not every replica makes pictures: ${error.message}`),
  );
  for (const { mediaId, status } of await untilFinished(cluster, deadline))
    violations.push(`${mediaId} is ${status} still, at the end`);
  await untilDelivered(round);
  // After the last write: cleanups go on, and take images with a ttl.
  await untilExpired(round);

  const images = await readImages(cluster);
  const urls = cluster.replicas.map(({ url }) => url);
  const pictures = await auditPictures(urls, images);
  const bucket = await auditBucket(cluster.bucket, images);
  violations.push(...pictures.findings, ...bucket.findings, ...(await miscounted(cluster)));
  violations.push(...auditWebhooks(receiver, images), ...(await auditBooks(round, target, BUDGET_USD)));
  const deleted = await readDeleted(cluster);
  const spending = await readSpending(cluster);
  const { outages, upstream } = round;
  violations.push(...auditPayments({ calls: upstream.calls, images, deleted, spending, outages }));
  violations.push(...(await auditWatches(round.watches)));
  for (const request of clientRequests) violations.push(...auditRequest(round, request, images));
  for (const call of dialectCalls) violations.push(...auditCall(round, call, images));

  for (const { service } of cluster.replicas) service?.child.kill('SIGTERM');
  for (const { name, service } of cluster.replicas) {
    const end = await service?.exited;
    if (end !== 0) violations.push(`the last SIGTERM ended ${name} with ${end}`);
  }
  const failed = images.filter(({ status }) => status === 'failed').length;
  return { files: pictures.files, orphans: bucket.orphans, failed, images };
}

async function untilDelivered({ cluster, receiver }: ClusterRound): Promise<void> {
  const deadline = Date.now() + LONGEST_DELIVERY_MS;
  while (Date.now() < deadline) {
    const images = await readImages(cluster);
    if (images.every((image) => isDelivered(receiver, image))) return;
    await delay(500);
  }
}

/** Waits until the images with a ttl are gone, so that none goes while records and files are compared. */
async function untilExpired({ cluster }: ClusterRound): Promise<void> {
  const deadline = Date.now() + LONGEST_DELIVERY_MS;
  while (Date.now() < deadline) {
    const [row] = await cluster.query(
      'SELECT (SELECT count(*) FROM easel.images WHERE expires_at IS NOT NULL AND expires_at < 253402300799000)' +
        ' + (SELECT count(*) FROM easel.deletions) AS left',
    );
    if (Number(row?.left) === 0) return;
    await delay(500);
  }
}
