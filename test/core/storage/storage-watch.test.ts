import { pino } from 'pino';
import { beforeEach, describe, expect, test } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { createStorageWatch, type StorageWatch } from '../../../src/core/storage/storage-watch.ts';
import { createManualClock, type ManualClock } from '../../support/test-clock.ts';

const full = new ImageError('storage_full', 'no room');
let clock: ManualClock;
let watch: StorageWatch;
let lines: Record<string, unknown>[];

beforeEach(() => {
  clock = createManualClock();
  lines = [];
  watch = createStorageWatch({
    clock,
    log: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
});

describe('the log', () => {
  test('has one error for a thousand refusals, and one line when the storage works again', () => {
    for (let refusal = 0; refusal < 1000; refusal++) watch.failed('pictures', full);
    expect(lines).toMatchObject([{ level: 50, storage: 'pictures', code: 'storage_full', reason: 'no room' }]);
    expect([watch.isWorking('pictures'), watch.isWorking('database')]).toEqual([false, true]);

    clock.move(65_000);
    for (let check = 0; check < 1000; check++) watch.works('pictures');
    expect(watch.isWorking('pictures')).toBe(true);
    expect(lines.slice(1)).toMatchObject([
      { level: 30, storage: 'pictures', since: '2026-11-23T16:00:00.000Z', seconds: 65 },
    ]);
  });

  test('has no line for each turn of a disk that is nearly full', () => {
    for (let turn = 0; turn < 1000; turn++) {
      watch.failed('pictures', full);
      clock.move(1_000);
      watch.works('pictures');
    }
    expect(lines).toHaveLength(1);
    clock.move(9_000);
    watch.works('pictures');
    expect(lines).toHaveLength(2);
  });

  test('names a new turn again', () => {
    for (let turn = 0; turn < 3; turn++) {
      watch.failed('database', new ImageError('storage_unavailable', 'locked'));
      clock.move(10_000);
      watch.works('database');
    }
    expect(lines.map(({ level }) => level)).toEqual([50, 30, 50, 30, 50, 30]);
  });

  test.each([
    ['a fault of one file', new ImageError('storage_unavailable', 'a folder', { isLasting: true })],
    ['a fault of one image', new ImageError('storage_unavailable', 'still being removed', { mediaId: 'x' })],
    ['an error of the caller', new ImageError('budget_exhausted', 'spent')],
    ['a defect', new Error('broken')],
  ])('has nothing of %s', (_, error) => {
    watch.failed('pictures', error);
    expect(lines).toEqual([]);
    expect(watch.isWorking('pictures')).toBe(true);
  });

  test('has nothing of a storage that is being closed', () => {
    watch.close();
    watch.failed('database', full);
    expect(lines).toEqual([]);
  });
});
