import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createImageEvents } from '../../../src/adapters/events/local.ts';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import type { MediaStore } from '../../../src/core/ports/media-store.ts';
import type { RecordStore } from '../../../src/core/ports/record-store.ts';
import { createStorageWatch } from '../../../src/core/storage/storage-watch.ts';
import { watchMediaStore, watchRecords } from '../../../src/core/storage/watched-stores.ts';
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

  const records = watchRecords(openRecords(folder.path), watch, createImageEvents(), log);
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

test('every method of the ports reaches the store, with all that it is given', async () => {
  await using folder = await temporaryFolder();
  const disk = await createDiskStore({ root: join(folder.path, 'media') });
  const database = openRecords(folder.path);
  await database.close();
  const log = pino({ level: 'silent' });
  const watch = createStorageWatch({ clock: createManualClock(), log });

  const { outbox, ...methods } = database;
  const calls: (readonly unknown[])[] = [];
  const media = watchMediaStore(notingStore(disk, calls) as MediaStore, watch);
  const noting = Object.assign(notingStore(methods, calls), { outbox: notingStore(outbox, calls) });
  const records = watchRecords(noting as RecordStore, watch, createImageEvents(), log);

  await expectCalls(disk, media, calls);
  await expectCalls(outbox, records.outbox, calls);
  await expectCalls(methods, records, calls);
});

/** A store with the methods of `port`, each of which notes its calls and whether it was called as a method of this store. */
function notingStore(port: object, calls: (readonly unknown[])[]): object {
  const store: object = Object.fromEntries(
    Object.keys(port).map((name) => [
      name,
      function (this: unknown, ...given: readonly unknown[]) {
        calls.push([this === store, name, ...given]);
        return Promise.resolve([name]);
      },
    ]),
  );
  return store;
}

/**
 * Expects that each method of `port` calls the noting store's own through `wrapper`. In place of functions, the wrapper may hand on functions
 * of its own.
 */
async function expectCalls(port: object, wrapper: object, calls: (readonly unknown[])[]): Promise<void> {
  for (const name of Object.keys(port)) {
    const method: (...given: readonly unknown[]) => unknown = Reflect.get(wrapper, name);
    expect(method.length).toBeGreaterThanOrEqual(Reflect.get(port, name).length);
    const given = Array.from({ length: method.length }, (_, index) => index);
    calls.length = 0;
    await method(...given);
    const [received = []] = calls;
    const isHandedOn = (index: number) => typeof received[index + 2] !== 'function';
    expect(calls).toHaveLength(1);
    expect(received.filter((value) => typeof value !== 'function')).toEqual([
      true,
      name,
      ...given.filter((_, index) => isHandedOn(index)),
    ]);
  }
}
