import { createImageEvents } from '../../adapters/events/local.ts';
import { createLocalLocks } from '../../adapters/locks/local.ts';
import { createLocalQueue } from '../../adapters/queue/local.ts';
import type { SqliteSettings } from '../../config/storage-settings.ts';
import { openRecords } from '../start/open-storage.ts';
import { runEvery } from '../start/startup.ts';
import { secretsBeside } from './secrets.ts';
import type { StoreParts, Stores } from './stores.ts';

/** The stores of a process that has its records in a file of SQLite, and shares nothing. */
export function openEmbedded(
  settings: SqliteSettings,
  { derive, clock, log }: Pick<StoreParts, 'derive' | 'clock' | 'log'>,
  opened: AsyncDisposableStack,
): Stores {
  const records = openRecords(settings, derive, log);
  opened.defer(() => records.close());
  /** When each work began to be done, by its name and the monotonic clock. */
  const begun = new Map<string, number>();
  return {
    records,
    locks: createLocalLocks(),
    events: createImageEvents(),
    createQueue: createLocalQueue,
    keepSecret: secretsBeside(settings.path),
    every(name, ms, work) {
      begun.set(name, clock.monotonic());
      return runEvery(ms, log, work);
    },
    nextRun(name, ms) {
      const since = begun.get(name);
      return since === undefined ? null : clock.now() + ms - ((clock.monotonic() - since) % ms);
    },
    cluster: null,
  };
}
