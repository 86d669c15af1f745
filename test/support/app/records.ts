import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { openSqliteRecords } from '../../../src/adapters/records/sqlite/records.ts';
import { createDerive } from '../../../src/core/images/derive.ts';
import type { RecordStore } from '../../../src/core/ports/record-store.ts';

/** Opens the records of a stopped service whose data is in `folder`, with the same rules but without `WEBHOOK_URLS`. */
export function openRecords(folder: string): RecordStore {
  const derive = createDerive({ webhookUrls: new Map(), randomId: () => randomUUID() });
  return openSqliteRecords({ path: join(folder, 'easel.db'), derive });
}
