/** What the harness itself reads from the cluster's database. */

import { setTimeout as delay } from 'node:timers/promises';
import { type Image, isFinished } from '../../../src/core/domain/image.ts';
import type { Cluster } from '../../support/cluster/cluster.ts';

/** Every image on record. Rejects while the database does not answer. */
export async function readImages({ query }: Pick<Cluster, 'query'>): Promise<readonly Image[]> {
  const rows = await query('SELECT document FROM easel.images ORDER BY created_at, call_index');
  return rows.map(({ document }) => JSON.parse(String(document)) as Image);
}

/** A row of the ledger: what one owner's calls of one model cost on one day, in microdollars; what is reserved has no day. */
export interface SpendingRow {
  readonly day: string;
  readonly owner: string;
  readonly model: string;
  readonly images: number;
  readonly microUsd: number;
}

/** The ledger. */
export async function readSpending({ query }: Pick<Cluster, 'query'>): Promise<readonly SpendingRow[]> {
  const rows = await query(`
    SELECT day, owner, model, sum(images) AS images, sum(micro_usd) AS micro_usd FROM easel.spending GROUP BY day, owner, model`);
  return rows.map(({ day, owner, model, images, micro_usd }) => ({
    day: String(day),
    owner: String(owner),
    model: String(model),
    images: Number(images),
    microUsd: Number(micro_usd),
  }));
}

/** From now on the database keeps each image that is deleted as it was then, for `readDeleted`. */
export async function keepDeleted({ query }: Pick<Cluster, 'query'>): Promise<void> {
  await query(`
    CREATE SCHEMA torture;
    CREATE TABLE torture.deleted (document text NOT NULL);
    CREATE FUNCTION torture.keep() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN INSERT INTO torture.deleted VALUES (OLD.document); RETURN NULL; END $$;
    CREATE TRIGGER keep_deleted AFTER DELETE ON easel.images FOR EACH ROW EXECUTE FUNCTION torture.keep();`);
}

/** The images that were deleted, as they were then. */
export async function readDeleted({ query }: Pick<Cluster, 'query'>): Promise<readonly Image[]> {
  const rows = await query('SELECT document FROM torture.deleted');
  return rows.map(({ document }) => JSON.parse(String(document)) as Image);
}

/** The kept numbers of images that are not what there is. */
export async function miscounted({ query }: Pick<Cluster, 'query'>): Promise<readonly string[]> {
  const rows = await query(`
    SELECT status, kept, counted FROM
      (SELECT status, sum(images) AS kept FROM easel.totals GROUP BY status) AS totals
      FULL JOIN (SELECT status, count(*) AS counted FROM easel.images GROUP BY status) AS found USING (status)
    WHERE coalesce(kept, 0) <> coalesce(counted, 0)`);
  return rows.map(({ status, kept, counted }) => `totals of ${status}: ${kept} kept, ${counted} counted`);
}

/** Jobs that were running when their replica was lost, and when that was, in milliseconds since 1970. */
export interface HeldJobs {
  readonly since: number;
  readonly images: readonly Image[];
}

/** The running jobs, of all replicas. */
export async function heldJobs(cluster: Pick<Cluster, 'query'>, since: number): Promise<HeldJobs> {
  const images = await readImages(cluster).catch(() => []);
  return { since, images: images.filter(({ status }) => status === 'generating' || status === 'processing') };
}

const LONGEST_WATCH_MS = 60_000;

/**
 * How long it took until the jobs that were lost were seen claimed anew, in milliseconds each, to 0.2 s. Jobs of the other replicas end
 * under the claim that they have, and do not count.
 */
export async function takeovers(
  cluster: Pick<Cluster, 'query'>,
  { since, images }: HeldJobs,
): Promise<readonly number[]> {
  const taken = new Map<string, number>();
  const watched = new Map(images.map((image) => [image.mediaId, image]));
  const deadline = Date.now() + LONGEST_WATCH_MS;
  while (watched.size > 0 && Date.now() < deadline) {
    for (const now of await readImages(cluster).catch(() => [])) {
      const before = watched.get(now.mediaId);
      if (before === undefined) continue;
      const isClaimed = now.run === before.run && (now.claim ?? 0) > (before.claim ?? 0);
      if (isClaimed) taken.set(now.mediaId, Date.now() - since);
      if (isClaimed || now.run !== before.run || isFinished(now.status)) watched.delete(now.mediaId);
    }
    await delay(200);
  }
  return [...taken.values()];
}

/** Resolves when no image is unfinished and none has pending renditions, or at the deadline. */
export async function untilFinished(cluster: Pick<Cluster, 'query'>, deadline: number): Promise<readonly Image[]> {
  for (;;) {
    const images = await readImages(cluster).catch(() => null);
    const open = images?.filter(({ status, pending }) => !isFinished(status) || pending.length > 0);
    if (open?.length === 0 || Date.now() > deadline) return open ?? [];
    await delay(250);
  }
}
