import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createStorageWatch } from '../../../src/core/storage/storage-watch.ts';
import { watchRecords } from '../../../src/core/storage/watched-stores.ts';
import { damage } from '../../adapters/records/sqlite/fixture.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openRecords } from '../../support/app/records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createManualClock } from '../../support/test-clock.ts';

test('a record that cannot be read is named once, counted, and is no trouble of the whole database', async () => {
  await using folder = await temporaryFolder();
  const lines: Record<string, unknown>[] = [];
  const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const watch = createStorageWatch({ clock: createManualClock(), log });
  const first = openRecords(folder.path);
  for (const [mediaId, status] of [
    ['sound', 'succeeded'],
    ['bad-met', 'succeeded'],
    ['bad-known', 'queued'],
  ] as const)
    await first.accept(exampleImage({ mediaId, status, idempotencyKey: null }), 9);
  await first.close();
  await damage(join(folder.path, 'easel.db'), '{"mediaId":"bad');

  const records = watchRecords(openRecords(folder.path), watch, log);
  expect(await records.unreadable()).toEqual(['bad-known']);
  expect(records.unreadableCount()).toBe(1);
  for (let read = 0; read < 100; read++) {
    for (const mediaId of ['bad-met', 'bad-known']) await expect(records.get(mediaId)).rejects.toThrow('is damaged');
    await expect(records.update('bad-met', () => null)).rejects.toThrow('is damaged');
  }
  expect((await records.get('sound'))?.mediaId).toBe('sound');
  expect(records.unreadableCount()).toBe(2);
  // The start logs those that `unreadable` names.
  expect(lines).toMatchObject([{ level: 50, mediaId: 'bad-met', msg: 'a record cannot be read' }]);
  expect(watch.isWorking('database')).toBe(true);
  await records.close();
});
