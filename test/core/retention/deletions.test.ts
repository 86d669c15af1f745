import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createLocalLocks } from '../../../src/adapters/locks/local.ts';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { PINNED } from '../../../src/core/domain/life-cycle/pinning.ts';
import type { JobQueue } from '../../../src/core/ports/job-queue.ts';
import { createDeletions } from '../../../src/core/retention/deletions.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openRecords } from '../../support/app/records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createTestClock } from '../../support/test-clock.ts';

/** The image of every test, as a caller read it. */
const FOUND = exampleImage({ mediaId: 'x', status: 'generating' });

/** Deletions on real records, with a queue whose jobs end when `jobEnds` resolves. */
async function openDeletions(folder: string, jobEnds: () => Promise<void>) {
  const locks = createLocalLocks();
  const records = openRecords(folder);
  const steps: string[] = [];
  const published: (string | null)[] = [];
  const ended: string[] = [];
  const store = await createDiskStore({ root: join(folder, 'media') });
  const clock = createTestClock({ skipMs: 0 });
  const enqueued: string[] = [];
  const queue: JobQueue = {
    enqueue: async (mediaId) => void enqueued.push(mediaId),
    async cancel(_mediaId, options) {
      await jobEnds();
      steps.push(options?.discard ? 'job discarded' : 'job cancelled');
    },
    position: async () => null,
    depth: async () => ({ waiting: 0, running: 0 }),
    start: async () => {},
    stop: async () => {},
  };
  /** Those of one process; `listed` is awaited once it has listed the pending deletions. */
  const createOne = (listed: () => Promise<void> = async () => {}) =>
    createDeletions({
      records: {
        ...records,
        async pendingDeletions(mediaId) {
          const pending = await records.pendingDeletions(mediaId);
          if (mediaId === undefined) await listed();
          return pending;
        },
        async deletionDone(mediaId) {
          steps.push('done');
          await records.deletionDone(mediaId);
        },
      },
      store: {
        async remove(names) {
          steps.push('files');
          await store.remove(names);
        },
      },
      queue,
      events: { publish: (_mediaId, image) => void published.push(image?.status ?? null) },
      locks,
      telemetry: { imageEnded: ({ status }) => void ended.push(status) },
      clock,
      log: pino({ level: 'silent' }),
    });
  const deletions = createOne();
  await records.accept(FOUND, 10);
  return {
    records,
    locks,
    store,
    deletions,
    createOne,
    clock,
    enqueued,
    steps,
    published,
    ended,
    [Symbol.asyncDispose]: () => records.close(),
  };
}

test('a cancel resolves after five seconds although the job has not ended', async () => {
  await using folder = await temporaryFolder();
  await using scene = await openDeletions(folder.path, () => new Promise(() => {}));
  const cancelled = scene.deletions.cancel(FOUND);
  await expect.poll(() => scene.clock.sleepers).toBe(1);
  scene.clock.advance(5_000);
  expect((await cancelled)?.status).toBe('cancelled');
  expect(scene.clock.sleepers).toBe(0);
});

test('an image that is requested again while its job is being cancelled is queued again', async () => {
  await using folder = await temporaryFolder();
  await using scene = await openDeletions(folder.path, async () => {
    await scene.records.update('x', (image) => ({ ...image, status: 'queued', run: 2 }));
  });
  expect((await scene.deletions.cancel(FOUND))?.status).toBe('queued');
  expect(scene.enqueued).toEqual(['x']);
});

const OTHERS: [string, Image][] = [
  ["another key's", { ...FOUND, owner: 'shop' }],
  ['a new one', { ...FOUND, createdAt: '2026-11-24T16:00:00.000Z' }],
];

test.each(OTHERS)(
  'the image that was read is gone, and %s has its mediaId: neither cancelled nor deleted',
  async (_, other) => {
    await using folder = await temporaryFolder();
    await using scene = await openDeletions(folder.path, async () => {});
    await scene.records.update('x', () => other);
    expect(await scene.deletions.cancel(FOUND)).toBeNull();
    await scene.deletions.remove(FOUND);
    expect(await scene.records.get('x')).toEqual(other);
    expect([scene.steps, scene.ended, scene.published, scene.enqueued]).toEqual([[], [], [], []]);
  },
);

test.each(OTHERS)(
  'an image is made again as %s while its job is being stopped: the new job goes on',
  async (_, other) => {
    for (const act of ['cancel', 'remove'] as const) {
      await using folder = await temporaryFolder();
      await using scene = await openDeletions(folder.path, async () => {
        await scene.records.update('x', () => other);
      });
      expect((await scene.deletions[act](FOUND)) ?? null).toBeNull();
      expect(await scene.records.get('x')).toEqual(other);
      expect([scene.enqueued, scene.published]).toEqual([['x'], []]);
    }
  },
);

test('a cleanup leaves an image that was requested again since it was found, even if it has finished again', async () => {
  await using folder = await temporaryFolder();
  await using scene = await openDeletions(folder.path, async () => {});
  const found = exampleImage({ mediaId: 'x', requestedAt: '2026-11-23T16:00:00.000Z' });
  const again = '2026-11-24T16:00:00.000Z';
  await scene.records.update('x', () => ({ ...found, requestedAt: again }));
  expect(await scene.deletions.removeFinished(found)).toBe(false);
  expect(await scene.deletions.removeFinished({ ...found, requestedAt: again })).toBe(true);
  expect(await scene.records.get('x')).toBeNull();
});

test.each<[string, (image: Image) => Image]>([
  ['given another expiry', (image) => ({ ...image, expiresAt: '2027-01-01T00:00:00.000Z' })],
  ['pinned by the field', (image) => ({ ...image, pinned: true })],
  ['pinned by the label', (image) => ({ ...image, request: { ...image.request, labels: [PINNED] } })],
])('a cleanup leaves an image that was %s since it was found', async (_, change) => {
  await using folder = await temporaryFolder();
  await using scene = await openDeletions(folder.path, async () => {});
  const found = exampleImage({ mediaId: 'x' });
  await scene.records.update('x', () => change(found));
  expect(await scene.deletions.removeFinished(found)).toBe(false);
  expect(await scene.records.get('x')).toEqual(change(found));
});

test('a cleanup leaves an image that is not finished', async () => {
  await using folder = await temporaryFolder();
  await using scene = await openDeletions(folder.path, async () => {});
  const image = await scene.records.get('x');
  if (image === null) throw new Error('there is no image');
  expect(await scene.deletions.removeFinished(image)).toBe(false);
  expect(await scene.records.get('x')).toEqual(image);
});

test('a cancel is counted and published once, and a deletion is published', async () => {
  await using folder = await temporaryFolder();
  await using scene = await openDeletions(folder.path, async () => {});
  for (let times = 1; times <= 2; times++) await scene.deletions.cancel(FOUND);
  expect([scene.ended, scene.published]).toEqual([['cancelled'], ['cancelled']]);
  await scene.deletions.remove(FOUND);
  expect([scene.ended, scene.published]).toEqual([['cancelled'], ['cancelled', null]]);
});

test('a job is stopped before the files of its image go, and the note of them goes last', async () => {
  await using folder = await temporaryFolder();
  await using scene = await openDeletions(folder.path, async () => {});
  const order = ['job discarded', 'files', 'done'];
  await scene.deletions.remove(FOUND);
  expect(scene.steps).toEqual(['job discarded', ...order]);

  scene.steps.length = 0;
  const image = exampleImage({ mediaId: 'x' });
  await scene.records.accept(image, 10);
  expect(await scene.deletions.removeFinished(image)).toBe(true);
  expect(scene.steps).toEqual(order);

  scene.steps.length = 0;
  await scene.records.accept(image, 10);
  await scene.records.remove('x');
  await scene.deletions.completeFor('other');
  expect(scene.steps).toEqual([]);
  const failed = (mediaId: string, error: unknown) => expect.unreachable(`${mediaId}: ${error}`);
  await Promise.all([scene.deletions.completeAll(failed), scene.deletions.completeFor('x')]);
  expect(scene.steps).toEqual(order);
  expect(await scene.records.pendingDeletions()).toEqual([]);
});

test('of two processes that complete a deletion one does, and the other leaves the files of a new image', async () => {
  await using folder = await temporaryFolder();
  await using scene = await openDeletions(folder.path, async () => {});
  const { records, locks, store, deletions, createOne, steps } = scene;
  const failed = (mediaId: string, error: unknown) => expect.unreachable(`${mediaId}: ${error}`);
  await records.remove('x');
  {
    // Another process is at it.
    await using _ = await locks.tryLock('deletion x');
    await deletions.completeAll(failed);
    await deletions.completeFor('x');
    expect(steps).toEqual([]);
  }
  // The other has listed what is pending, and comes to it when all is done and the mediaId is in use again.
  const late = createOne(async () => {
    await deletions.completeAll(failed);
    await records.accept(FOUND, 10);
    await store.put('x.png', new Uint8Array(1));
  });
  await late.completeAll(failed);
  expect(steps).toEqual(['job discarded', 'files', 'done']);
  expect(await store.read('x.png')).toHaveLength(1);
});
