import { describe, expect, test } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import { createStorageCapacity } from '../../../src/core/storage/capacity.ts';

const DEFAULT = { width: 1000, height: 1000 };
const SMALL = { width: 16, height: 16 };
const LARGE = { width: 3000, height: 1000 };

function setUp({ jobs = 0 } = {}) {
  const seen: string[] = [];
  const state = { free: 0, fault: null as ImageError | null };
  const capacity = createStorageCapacity({
    queue: { depth: async () => ({ waiting: jobs, running: 0 }) },
    store: {
      async check(needBytes) {
        if (state.fault) throw state.fault;
        if (state.free < needBytes) throw new ImageError('storage_full', 'no room');
      },
    },
    defaultSize: DEFAULT,
    watch: { failed: (part) => void seen.push(`${part} failed`), works: (part) => void seen.push(`${part} works`) },
  });
  const takes = async (free: number, size?: { width: number; height: number }, count?: number) => {
    state.free = free;
    return await capacity.check(size, count).then(
      () => true,
      () => false,
    );
  };
  return { state, seen, takes };
}

describe('room for one more picture', () => {
  test.each([
    ['a picture of the default size', DEFAULT, 9_000_000],
    ['the health check', undefined, 9_000_000],
    ['a small picture: nothing is accepted while the health check is red', SMALL, 9_000_000],
    ['a large picture', LARGE, 25_000_000],
  ])('%s', async (_, size, needed) => {
    const { takes } = setUp();
    expect([await takes(needed - 1, size), await takes(needed, size)]).toEqual([false, true]);
  });

  test('leaves what the accepted pictures need', async () => {
    const { takes } = setUp({ jobs: 3 });
    expect([await takes(36_000_000 - 1), await takes(36_000_000)]).toEqual([false, true]);
    const three = async (free: number) => await takes(free, DEFAULT, 3);
    expect([await three(54_000_000 - 1), await three(54_000_000)]).toEqual([false, true]);
  });

  test('says for how many pictures there is none', async () => {
    const none = { check: async () => Promise.reject(new ImageError('storage_full', '1 MB free and 9 MB are needed')) };
    const refusal = (waiting: number, count?: number) =>
      createStorageCapacity({
        queue: { depth: async () => ({ waiting, running: 0 }) },
        store: none,
        defaultSize: DEFAULT,
        watch: { failed: () => undefined, works: () => undefined },
      }).check(undefined, count);
    await expect(refusal(0)).rejects.toThrow('1 MB free and 9 MB are needed, for one picture');
    await expect(refusal(3)).rejects.toMatchObject({
      code: 'storage_full',
      message: '1 MB free and 9 MB are needed, for one picture and the 3 accepted before it',
    });
    await expect(refusal(3, 2)).rejects.toThrow('are needed, for 2 pictures and the 3 accepted before them');
  });

  test('is trouble of the store where a usual picture has none, and not where only a large one has none', async () => {
    const { takes, seen, state } = setUp();
    await takes(24_000_000, LARGE);
    await takes(17_000_000, DEFAULT, 2);
    expect(seen).toEqual([]);
    await takes(8_000_000);
    expect(seen).toEqual(['pictures failed']);
    await takes(9_000_000);
    expect(seen).toEqual(['pictures failed', 'pictures works']);
    state.fault = new ImageError('storage_unavailable', 'read-only');
    await takes(24_000_000, LARGE);
    expect(seen.at(-1)).toBe('pictures failed');
  });
});
