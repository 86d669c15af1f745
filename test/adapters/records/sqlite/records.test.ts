import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteRecords } from '../../../../src/adapters/records/sqlite/records.ts';
import { describeRecordStore } from '../../../contracts/record-store/describe-record-store.ts';

describeRecordStore('SQLite', async (derive) => {
  const folder = await mkdtemp(join(tmpdir(), 'easel-records-'));
  return {
    open: async () => openSqliteRecords({ path: join(folder, 'deep', 'er', 'easel.db'), derive }),
    dispose: () => rm(folder, { recursive: true }),
  };
});
