import { inputNames, ownedNames, possibleNames } from '../domain/file-names.ts';
import { type Image, isFinished } from '../domain/image.ts';
import { isPinned } from '../domain/life-cycle/pinning.ts';
import { increasesSpending, ledgerChanges } from '../money/ledger.ts';
import type { Derive, NewDelivery } from '../ports/record-store.ts';
import { newDelivery, webhookEventOf } from '../webhooks/delivery.ts';

interface DeriveDeps {
  /** Webhook URLs by image owner, for images whose request names none. */
  readonly webhookUrls: ReadonlyMap<string, string>;
  /** Makes a new UUID for each delivery. */
  readonly randomId: () => string;
}

/**
 * Creates the core's rules for a record store: the ledger entries, webhook delivery, file names and expiry that it
 * writes together with an image. Apart from the id of a new delivery the result is pure.
 */
export function createDerive({ webhookUrls, randomId }: DeriveDeps): Derive {
  const deliveryOf = (before: Image | null, after: Image): NewDelivery | null => {
    const type = webhookEventOf(before, after);
    const url = after.request.webhookUrl ?? webhookUrls.get(after.owner);
    if (type === null || url === undefined) return null;
    const delivery = newDelivery(`msg_${randomId().replaceAll('-', '')}`, type, url, after);
    return { delivery, receiver: URL.parse(url)?.host ?? url };
  };

  return (before, after) => {
    const ledger = ledgerChanges(before, after);
    const image = after ?? before;
    return {
      ledger,
      spendsMore: increasesSpending(ledger),
      delivery: after && deliveryOf(before, after),
      ownedNames: after ? ownedNames(after) : before ? possibleNames(before) : [],
      sharedNames: image ? inputNames(image) : [],
      startsJob: after !== null && isJob(after) && (before === null || !isJob(before) || before.run !== after.run),
      expiresAt: after && expiryTime(after),
    };
  };
}

/** Milliseconds since 1970; `never` for a pinned image, null for one that the configured retention applies to. */
function expiryTime(image: Image): number | 'never' | null {
  const { expiresAt } = image;
  if (isPinned(image)) return 'never';
  return expiresAt === null ? null : Date.parse(expiresAt);
}

/** True for an image with work left: unfinished, or with renditions that are still to be made. */
function isJob({ status, pending }: Image): boolean {
  return !isFinished(status) || (status === 'succeeded' && pending.length > 0);
}
