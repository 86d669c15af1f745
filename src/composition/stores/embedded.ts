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
  { derive, log }: Pick<StoreParts, 'derive' | 'log'>,
  opened: AsyncDisposableStack,
): Stores {
  const records = openRecords(settings, derive, log);
  opened.defer(() => records.close());
  return {
    records,
    locks: createLocalLocks(),
    events: createImageEvents(),
    createQueue: createLocalQueue,
    keepSecret: secretsBeside(settings.path),
    every: (_name, ms, work) => runEvery(ms, log, work),
    cluster: null,
  };
}
