import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLocalLocks } from '../../../src/adapters/locks/local.ts';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import { inputName } from '../../../src/core/domain/file-names.ts';
import type { Input } from '../../../src/core/domain/input.ts';
import { protectInputs } from '../../../src/core/inputs/input-holds.ts';
import type { Locks } from '../../../src/core/ports/locks.ts';
import type { RecordStore } from '../../../src/core/ports/record-store.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openRecords } from '../../support/app/records.ts';
import { openReplica } from '../../support/postgres/replica.ts';
import { createTestDatabase } from '../../support/postgres/shared-server.ts';
import { randomOf } from '../../support/random.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTestClock } from '../../support/test-clock.ts';

const LOGO = 'a'.repeat(64);
const CHAIR = 'b'.repeat(64);
const [logo, chair] = [inputName(LOGO), inputName(CHAIR)];
const BYTES = new TextEncoder().encode('an input');

const input = (sha256: string): Input => ({
  sha256,
  bytes: BYTES.length,
  width: 8,
  height: 8,
  format: 'png',
  source: { sha256 },
});

/** Real records and a real store, whose inputs are protected; `begins` is awaited before a file is removed. */
async function open(
  folder: string,
  begins: (names: readonly string[]) => Promise<void> = async () => {},
  { records, locks }: { readonly records: RecordStore; readonly locks: Locks } = {
    records: openRecords(folder),
    locks: createLocalLocks(),
  },
) {
  const disk = await createDiskStore({ root: join(folder, 'media') });
  const inputs = protectInputs(
    {
      ...disk,
      async remove(names) {
        await begins(names);
        await disk.remove(names);
      },
    },
    { records, locks, clock: createTestClock() },
  );
  const accept = async (mediaId: string, ...hashes: readonly string[]) => {
    using _ = await inputs.hold(hashes.map(inputName));
    for (const sha256 of hashes) await inputs.store.put(inputName(sha256), BYTES);
    const example = exampleImage({ mediaId, status: 'queued' });
    const image = { ...example, request: { ...example.request, inputs: hashes.map(input) } };
    expect((await records.accept(image, 100_000)).outcome).toBe('accepted');
  };
  const remove = async (mediaId: string) => {
    const deletion = await records.remove(mediaId);
    await inputs.store.remove(deletion?.names ?? []);
    await records.deletionDone(mediaId);
  };
  const isThere = async (name: string) => (await disk.read(name)) !== null;
  return { records, locks, inputs, accept, remove, isThere, [Symbol.asyncDispose]: () => records.close() };
}

it('leaves an input that a record names, and removes it with other files once none does', async () => {
  await using folder = await temporaryFolder();
  await using scene = await open(folder.path);
  const { store } = scene.inputs;
  await scene.accept('a', LOGO);
  await scene.accept('b', LOGO, CHAIR);
  await store.put('x.png', BYTES);
  await store.remove([logo, 'x.png', chair, logo]);
  expect(await Promise.all([logo, chair, 'x.png'].map(scene.isThere))).toEqual([true, true, false]);
  await scene.remove('a');
  expect(await scene.isThere(logo)).toBe(true);
  await scene.remove('b');
  expect(await Promise.all([logo, chair].map(scene.isThere))).toEqual([false, false]);
});

it('removes nothing that is held until the hold ends, and then asks the records', async () => {
  await using folder = await temporaryFolder();
  await using scene = await open(folder.path);
  await scene.inputs.store.put(logo, BYTES);
  await scene.inputs.store.put(chair, BYTES);
  const holds = [await scene.inputs.hold([logo, chair]), await scene.inputs.hold([logo, logo])];
  let isDone = false;
  const removal = scene.inputs.store.remove([logo, chair]).then(() => {
    isDone = true;
  });
  holds[0]?.[Symbol.dispose]();
  holds[0]?.[Symbol.dispose]();
  await expect.poll(() => scene.isThere(chair)).toBe(false);
  expect([isDone, await scene.isThere(logo)]).toEqual([false, true]);
  await scene.accept('a', LOGO);
  holds[1]?.[Symbol.dispose]();
  await removal;
  expect(await scene.isThere(logo)).toBe(true);
});

it('lets no hold begin while a removal is under way', async () => {
  await using folder = await temporaryFolder();
  const began = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  await using scene = await open(folder.path, async (names) => {
    if (!names.includes(logo)) return;
    began.resolve();
    await gate.promise;
  });
  await scene.inputs.store.put(logo, BYTES);
  const removal = scene.inputs.store.remove([logo]);
  await began.promise;
  let isAccepted = false;
  const accepted = scene.accept('a', LOGO).then(() => {
    isAccepted = true;
  });
  // One of another input waits for nothing, and leaves the first the time to be accepted.
  for (const mediaId of ['b', 'c', 'd']) await scene.accept(mediaId, CHAIR);
  expect(isAccepted).toBe(false);
  gate.resolve();
  await Promise.all([removal, accepted]);
  expect(await scene.isThere(logo)).toBe(true);
});

it('raises the error of a removal, after which the input can be removed and held again', async () => {
  await using folder = await temporaryFolder();
  let isBroken = true;
  await using scene = await open(folder.path, async (names) => {
    if (isBroken && names.includes(logo)) throw new Error('the disk is broken');
  });
  await scene.inputs.store.put(logo, BYTES);
  await scene.inputs.store.put(chair, BYTES);
  await expect(scene.inputs.store.remove([logo, chair])).rejects.toThrow('the disk is broken');
  expect(await Promise.all([logo, chair].map(scene.isThere))).toEqual([true, false]);
  isBroken = false;
  (await scene.inputs.hold([logo]))[Symbol.dispose]();
  await scene.inputs.store.remove([logo]);
  expect(await scene.isThere(logo)).toBe(false);
});

it('never lets a record name a missing input, whatever is accepted, deleted and cleaned up at the same time', async () => {
  await using folder = await temporaryFolder();
  await using scene = await open(folder.path);
  const random = randomOf('inputs');
  const hashes = [LOGO, CHAIR];
  const named = new Map<string, readonly string[]>();
  let missing = 0;
  const check = async (mediaId: string) => {
    for (const sha256 of named.get(mediaId) ?? []) if (!(await scene.isThere(inputName(sha256)))) missing += 1;
  };
  const live = async (worker: number) => {
    for (let round = 0; round < 30; round += 1) {
      const mediaId = `m${worker}-${round}`;
      const used = hashes.filter(() => random() < 0.6);
      await scene.accept(mediaId, ...used);
      named.set(mediaId, used);
      await check(mediaId);
      if (random() < 0.3) await scene.inputs.store.remove(hashes.map(inputName));
      await check(mediaId);
      named.delete(mediaId);
      await scene.remove(mediaId);
    }
  };
  await Promise.all([1, 2, 3, 4].map(live));
  expect(missing).toBe(0);
  expect(await Promise.all([logo, chair].map(scene.isThere))).toEqual([false, false]);
});

/** The locks of two processes: those that they share in one, and those of two sessions of PostgreSQL. */
const LOCKS = {
  'one process': async () => {
    const locks = createLocalLocks();
    return { locks: [locks, locks], [Symbol.asyncDispose]: async () => {} };
  },
  PostgreSQL: async () => {
    await using opened = new AsyncDisposableStack();
    const test = await createTestDatabase();
    opened.defer(() => test.drop());
    const replicas = [opened.use(await openReplica(test)), opened.use(await openReplica(test))];
    const held = opened.move();
    return { locks: replicas.map(({ locks }) => locks), [Symbol.asyncDispose]: () => held.disposeAsync() };
  },
};

describe.each(Object.entries(LOCKS))('with the locks of %s', (_, openLocks) => {
  /** Two processes over the same records and the same folder. */
  async function openTwo(folder: string) {
    await using opened = new AsyncDisposableStack();
    const { locks } = opened.use(await openLocks());
    const records = openRecords(folder);
    opened.defer(() => records.close());
    const openOne = (own: Locks | undefined) => open(folder, undefined, { records, locks: own ?? createLocalLocks() });
    const scenes = { one: await openOne(locks[0]), other: await openOne(locks[1]) };
    const held = opened.move();
    return { ...scenes, [Symbol.asyncDispose]: () => held.disposeAsync() };
  }

  it('removes no input that another process holds, which finds it in its store', async () => {
    await using folder = await temporaryFolder();
    await using two = await openTwo(folder.path);
    const { one, other } = two;
    const held = await other.inputs.hold([logo]);
    await other.inputs.store.put(logo, BYTES);
    const removal = one.inputs.store.remove([logo]);
    await one.accept('a', CHAIR);
    expect(await other.isThere(logo)).toBe(true);
    await other.accept('b', LOGO);
    held[Symbol.dispose]();
    await removal;
    expect(await one.isThere(logo)).toBe(true);
    await one.remove('b');
    expect(await other.isThere(logo)).toBe(false);
  });

  it('never lets a record name a missing input, whatever two processes accept and remove at the same time', async () => {
    await using folder = await temporaryFolder();
    await using two = await openTwo(folder.path);
    const { one, other } = two;
    const live = async (scene: typeof one, worker: string) => {
      for (let round = 0; round < 15; round += 1) {
        const mediaId = `${worker}-${round}`;
        await scene.accept(mediaId, LOGO);
        expect(await scene.isThere(logo)).toBe(true);
        await scene.remove(mediaId);
      }
    };
    await Promise.all([live(one, 'a'), live(one, 'b'), live(other, 'c'), live(other, 'd')]);
    expect(await one.isThere(logo)).toBe(false);
  });
});
