import { ownedNames, possibleNames, storedBytes } from '../domain/file-names.ts';
import { type Image, PINNED } from '../domain/image.ts';
import { increasesSpending, ledgerChanges } from '../money/ledger.ts';
import type { Derive, NewDelivery } from '../ports/record-store.ts';
import { newDelivery, webhookEventOf } from '../webhooks/delivery.ts';

export interface DeriveDeps {
  /** Where events of an image go whose request names no URL, by the image's owner. */
  readonly webhookUrls: ReadonlyMap<string, string>;
  /** A UUID that no other delivery has. */
  readonly randomId: () => string;
}

/** The rules that a record store applies to each write: ledger, webhook, owned file names, expiry and stored bytes. */
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
    return {
      ledger,
      spendsMore: increasesSpending(ledger),
      delivery: after && deliveryOf(before, after),
      ownedNames: after ? ownedNames(after) : before ? possibleNames(before) : [],
      expiresAt: after && expiryTime(after),
      storedBytes: after ? storedBytes(after) : 0,
    };
  };
}

function expiryTime({ request, expiresAt }: Image): number | 'never' | null {
  if (request.labels.includes(PINNED)) return 'never';
  return expiresAt === null ? null : Date.parse(expiresAt);
}
