import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteRecords } from '../../../../src/adapters/records/sqlite/records.ts';
import { describeCoreRules } from '../../../contracts/record-store/core-rules.ts';
import { describeRecordStore } from '../../../contracts/record-store/describe-record-store.ts';
import type { CreateFixture } from '../../../contracts/record-store/fixture.ts';

const createFixture: CreateFixture = async (derive) => {
  const folder = await mkdtemp(join(tmpdir(), 'easel-records-'));
  return {
    open: async () => openSqliteRecords({ path: join(folder, 'deep', 'er', 'easel.db'), derive }),
    dispose: () => rm(folder, { recursive: true }),
  };
};

describeRecordStore('SQLite', createFixture);
describeCoreRules('SQLite', createFixture);
