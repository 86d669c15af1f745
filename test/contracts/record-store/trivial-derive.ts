import { randomUUID } from 'node:crypto';
import { inputName, originalName } from '../../../src/core/domain/file-names.ts';
import { type Image, isFinished } from '../../../src/core/domain/image.ts';
import { isPinned } from '../../../src/core/domain/life-cycle/pinning.ts';
import type { Spending } from '../../../src/core/domain/money.ts';
import type { Derive, NewDelivery } from '../../../src/core/ports/record-store.ts';

/**
 * The simplest possible rules, for tests of how a store keeps what they derive:
 * - ledger: an image costs its estimate, reserved until it has finished and then spent on the day it was created;
 * - delivery: whenever an image with a webhook URL succeeds or fails;
 * - names: `<mediaId>.png` and the originals of the attempts, and `<mediaId>.old` as well once it is removed;
 * - shared names: the inputs of its request.
 */
export const trivialDerive: Derive = (before, after) => {
  const ledger = differences(before, after);
  const spends = (part: 'microUsd' | 'unpriced') => ledger.reduce((sum, entry) => sum + entry[part], 0) > 0;
  return {
    ledger,
    spendsMore: spends('microUsd') || spends('unpriced'),
    delivery: after && deliveryOf(before, after),
    ownedNames: after ? namesOf(after) : before ? [...namesOf(before), `${before.mediaId}.old`] : [],
    sharedNames: ((after ?? before)?.request.inputs ?? []).map(({ sha256 }) => inputName(sha256)),
    startsJob: after !== null && (before === null || before.run !== after.run),
    expiresAt: after && expiryTime(after),
  };
};

function differences(before: Image | null, after: Image | null): readonly Spending[] {
  const entries = new Map<string, Spending>();
  const add = (entry: Spending, sign: 1 | -1) => {
    const key = `${entry.day} ${entry.owner} ${entry.model}`;
    const known = entries.get(key);
    entries.set(key, {
      ...entry,
      images: (known?.images ?? 0) + sign * entry.images,
      microUsd: (known?.microUsd ?? 0) + sign * entry.microUsd,
      unpriced: (known?.unpriced ?? 0) + sign * entry.unpriced,
    });
  };
  if (after) add(entryOf(after), 1);
  // What was spent stays spent when the image is removed.
  if (before && (after || !isFinished(before.status))) add(entryOf(before), -1);
  return [...entries.values()];
}

function entryOf({ status, createdAt, owner, model, estimate }: Image): Spending {
  return {
    day: isFinished(status) ? createdAt.slice(0, 10) : null,
    owner,
    model,
    images: status === 'succeeded' ? 1 : 0,
    microUsd: Math.round((estimate.usd ?? 0) * 1e6),
    unpriced: estimate.usd === null ? 1 : 0,
  };
}

function deliveryOf(before: Image | null, after: Image): NewDelivery | null {
  const { mediaId, status, createdAt, request } = after;
  if (request.webhookUrl === null || status === before?.status) return null;
  if (status !== 'succeeded' && status !== 'failed') return null;
  return {
    delivery: {
      id: randomUUID(),
      mediaId,
      type: `image.${status}`,
      url: request.webhookUrl,
      status: 'pending',
      attempts: [],
      nextAttemptAt: createdAt,
      series: { number: 1, tries: 0, firstAt: null },
    },
    receiver: new URL(request.webhookUrl).host,
  };
}

function namesOf({ mediaId, attempts }: Image): readonly string[] {
  return [`${mediaId}.png`, ...attempts.map(({ id }) => originalName(mediaId, id))];
}

function expiryTime(image: Image): number | 'never' | null {
  const { expiresAt } = image;
  if (isPinned(image)) return 'never';
  return expiresAt === null ? null : Date.parse(expiresAt);
}
