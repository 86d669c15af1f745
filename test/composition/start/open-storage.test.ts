import { pino } from 'pino';
import { expect, it } from 'vitest';
import { SCHEMA_VERSION } from '../../../src/adapters/records/sqlite/schema/migrations.ts';
import { openMediaFolder, openRecords } from '../../../src/composition/start/open-storage.ts';
import { downgrade } from '../../adapters/records/sqlite/downgrade.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { placeIn } from '../backup/fixture.ts';

const derive = () => ({ ledger: [], delivery: null, ownedNames: [], expiresAt: null, spendsMore: false }) as never;

it('logs that an older database was migrated, once, and nothing of a new one', async () => {
  await using folder = await temporaryFolder();
  const { config, make } = placeIn(folder.path);
  const lines: { from?: number; to?: number; msg: string }[] = [];
  const log = pino({}, { write: (line) => lines.push(JSON.parse(line)) });
  await openRecords(config.records, derive, log).close();
  await make('a');
  expect(lines).toEqual([]);
  downgrade(config.records.path, SCHEMA_VERSION - 1);
  for (let times = 0; times < 2; times += 1) await openRecords(config.records, derive, log).close();
  expect(lines).toMatchObject([
    { from: SCHEMA_VERSION - 1, to: SCHEMA_VERSION, msg: expect.stringContaining('migrated') },
  ]);
});

it.runIf(process.platform === 'linux')('says in a sentence that a file system takes no new folder', async () => {
  const log = pino({ level: 'silent' });
  expect(() => openRecords({ path: '/proc/none/easel.db' }, derive, log)).toThrow(/^DATABASE_URL: .*\/proc\/none/);
  await using opened = new AsyncDisposableStack();
  const media = { root: '/proc/none', adopt: false };
  await expect(openMediaFolder(media, {} as never, log, opened)).rejects.toThrow(/^MEDIA_DIR: .*\/proc\/none/);
});
