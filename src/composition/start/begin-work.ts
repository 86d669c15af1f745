import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { ImageQueue } from '../../core/pipeline/image-queue.ts';
import type { MediaStore } from '../../core/ports/media-store.ts';
import type { RecordStore } from '../../core/ports/record-store.ts';
import type { Deletions } from '../../core/retention/deletions.ts';
import type { Deliverer } from '../../core/webhooks/deliverer.ts';
import type { Stores } from '../stores/stores.ts';
import { clearAway, resumeWork } from './startup.ts';

interface WorkParts {
  readonly stores: Pick<Stores, 'every' | 'cluster'>;
  readonly records: RecordStore;
  readonly store: MediaStore;
  readonly queue: ImageQueue;
  readonly deletions: Deletions;
  readonly deliverer: Deliverer;
  readonly cleanUp: () => Promise<unknown>;
  readonly log: Logger;
}

/** Names the cleanups that run by themselves. */
export const CLEANUP = 'cleanup';
/** Milliseconds between two looks for images that have no job; only an operator's hand in the database leaves some. */
const RECONCILE_MS = 60_000;

/**
 * Makes the function that begins with all that is done without being asked: jobs, webhooks, cleanups. It clears away first what an earlier
 * process left half done. `opened` ends it again.
 */
export function createBeginWork(
  { retention }: Pick<Config, 'retention'>,
  { stores, records, store, queue, deletions, deliverer, cleanUp, log }: WorkParts,
): (opened: AsyncDisposableStack) => Promise<void> {
  const { every, cluster } = stores;
  return async (opened) => {
    await clearAway({ store, deletions, log });
    await queue.start();
    if (cluster === null) await resumeWork({ records, queue, log });
    else opened.defer(every('reconciliation', RECONCILE_MS, () => cluster.reconcile(queue)));
    deliverer.start();
    // A failure is logged already.
    opened.defer(every(CLEANUP, retention.intervalMs, async () => void (await cleanUp().catch(() => undefined))));
  };
}
