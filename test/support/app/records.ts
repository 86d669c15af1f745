import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { openSqliteRecords } from '../../../src/adapters/records/sqlite/records.ts';
import { createDerive } from '../../../src/core/images/derive.ts';
import type { RecordStore } from '../../../src/core/ports/record-store.ts';

/** The records of the Easel whose data is in `folder`, with the rules of the service but no webhooks of owners. */
export function openRecords(folder: string): RecordStore {
  const derive = createDerive({ webhookUrls: new Map(), randomId: () => randomUUID() });
  return openSqliteRecords({ path: join(folder, 'easel.db'), derive });
}
