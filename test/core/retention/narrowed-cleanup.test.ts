import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createLocalLocks } from '../../../src/adapters/locks/local.ts';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import { inputName, possibleNames } from '../../../src/core/domain/file-names.ts';
import { type Image, isFinished } from '../../../src/core/domain/image.ts';
import { isPinned, PINNED } from '../../../src/core/domain/life-cycle/pinning.ts';
import type { RecordStore } from '../../../src/core/ports/record-store.ts';
import { type CleanupOptions, createCleanup } from '../../../src/core/retention/cleanup.ts';
import { createDeletions } from '../../../src/core/retention/deletions.ts';
import { createOrphanRemoval } from '../../../src/core/retention/orphans.ts';
import { createSweepWatch } from '../../../src/core/retention/sweep-watch.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openRecords } from '../../support/app/records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { LONGEST_WAIT_MS } from '../../support/until.ts';

const HOUR_MS = 3_600_000;
const NOW = Date.UTC(2026, 10, 24);
const hoursAgo = (hours: number) => new Date(NOW - hours * HOUR_MS).toISOString();
const INPUTS = ['a', 'b'].map((digit) => digit.repeat(64));
const log = pino({ level: 'silent' });

/** Cleanups of real records and files, whose queue has no jobs. */
async function openCleanup(folder: string, records: RecordStore) {
  const store = await createDiskStore({ root: join(folder, 'media') });
  const clock = { now: () => NOW, monotonic: () => 0, sleep: async () => {} };
  const locks = createLocalLocks();
  const deletions = createDeletions({
    records,
    store,
    queue: { enqueue: async () => {}, cancel: async () => {} },
    events: { publish: () => {} },
    locks,
    telemetry: { imageEnded: () => {} },
    clock,
    log,
  });
  const cleanUp = createCleanup({
    records,
    store,
    deletions,
    removeOrphans: createOrphanRemoval({ records, store, log }),
    repairMissingFiles: async () => ({ missingFiles: 0, missingFilesOf: [] }),
    retention: { olderThanMs: 5 * HOUR_MS, maxBytes: null },
    watch: createSweepWatch(log, { cleanupEnded: () => {} }),
    locks,
    clock,
    log,
  });
  return { cleanUp, deletions };
}

const image = fc
  .record({
    hours: fc.nat(9),
    expiresIn: fc.option(fc.integer({ min: -2, max: 2 })),
    owner: fc.constantFrom('anna', 'bert'),
    status: fc.constantFrom('succeeded', 'succeeded', 'failed', 'cancelled', 'queued'),
    labels: fc.subarray(['draft', 'blog', PINNED]),
    pinned: fc.constantFrom(false, false, true),
    inputs: fc.subarray(INPUTS),
    bytes: fc.integer({ min: 0, max: 300 }),
  })
  .map(({ hours, expiresIn, inputs, bytes, labels, ...rest }) => {
    const request = {
      ...exampleImage().request,
      renditions: [],
      labels,
      inputs: inputs.map((sha256) => ({ sha256, bytes: 50, format: 'png', width: 8, height: 8, from: { file: true } })),
    } as unknown as Image['request'];
    const expiresAt = expiresIn === null ? null : hoursAgo(-expiresIn);
    const times = { createdAt: hoursAgo(hours), requestedAt: hoursAgo(hours), expiresAt };
    return { bytes, image: exampleImage({ ...rest, ...times, request, master: null, renditions: [], attempts: [] }) };
  });

const options = fc.record(
  {
    olderThanMs: fc.nat(9).map((hours) => hours * HOUR_MS),
    maxBytes: fc.nat(1_500),
    status: fc.constantFrom('succeeded', 'failed'),
    label: fc.constantFrom('draft', 'blog', PINNED, 'none'),
    owner: fc.constantFrom('anna', 'bert', 'carl'),
  },
  { requiredKeys: [] },
);

/** A draft that was requested so many hours ago. */
function aDraft(hours: number): Image {
  const times = { createdAt: hoursAgo(hours), requestedAt: hoursAgo(hours), expiresAt: null };
  const request = { ...exampleImage().request, renditions: [], labels: ['draft'] };
  return exampleImage({ ...times, request, master: null, renditions: [], attempts: [] });
}

/** Writes the files of an image and returns it as it is stored. */
async function addImage(folder: string, records: RecordStore, image: Image, bytes: number): Promise<void> {
  await records.accept(image, Number.POSITIVE_INFINITY);
  for (const name of possibleNames(image)) await writeFile(join(folder, 'media', name), Buffer.alloc(bytes));
  for (const { sha256 } of image.request.inputs ?? [])
    await writeFile(join(folder, 'media', inputName(sha256)), Buffer.alloc(50));
}

/** The names of all files. */
async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(folder, 'media'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

async function mediaIdsOf(records: RecordStore): Promise<readonly string[]> {
  return (await records.list({ limit: 100, owner: null })).items.map(({ mediaId }) => mediaId);
}

it(
  'a dry run names what the cleanup then takes: nothing pinned, unfinished or left out by a filter, and no orphan for a label or key',
  async () => {
    await using folder = await temporaryFolder();
    const records = openRecords(folder.path);
    let seen = { taken: 0, orphans: 0, excess: 0 };
    const cleansAsItSays = async (
      stored: readonly { readonly image: Image; readonly bytes: number }[],
      orphans: readonly string[],
      given: CleanupOptions,
    ) => {
      const { cleanUp, deletions } = await openCleanup(folder.path, records);
      const images = stored.map(({ image }, index) => ({ ...image, mediaId: `m${index}` }));
      for (const [index, one] of images.entries()) await addImage(folder.path, records, one, stored[index]?.bytes ?? 0);
      for (const name of orphans) {
        const path = join(folder.path, 'media', name);
        await writeFile(path, 'left over');
        await utimes(path, NOW / 1000 - 7_200, NOW / 1000 - 7_200);
      }
      const [idsBefore, filesBefore] = [await mediaIdsOf(records), await filesIn(folder.path)];

      const dry = await cleanUp({ ...given, dryRun: true });
      expect([await mediaIdsOf(records), await filesIn(folder.path)]).toEqual([idsBefore, filesBefore]);
      const report = await cleanUp(given);
      const left = await mediaIdsOf(records);
      const taken = images.filter(({ mediaId }) => !left.includes(mediaId));

      expect(dry.mediaIds?.toSorted()).toEqual(taken.map(({ mediaId }) => mediaId).toSorted());
      expect(dry).toEqual({ ...report, dryRun: true, mediaIds: dry.mediaIds });
      expect(report).not.toHaveProperty('mediaIds');
      for (const one of taken) {
        const { status, owner, request } = one;
        expect(isFinished(status)).toBe(true);
        expect(isPinned(one)).toBe(false);
        if (given.status) expect(status).toBe(given.status);
        if (given.owner) expect(owner).toBe(given.owner);
        if (given.label) expect(request.labels).toContain(given.label);
      }
      // What has expired goes, of those that are meant.
      const olderThanMs = given.olderThanMs ?? 5 * HOUR_MS;
      const due = images.filter(
        ({ status, owner, request, requestedAt, expiresAt, ...rest }) =>
          isFinished(status) &&
          !isPinned({ ...rest, request }) &&
          (given.status === undefined || status === given.status) &&
          (given.owner === undefined || owner === given.owner) &&
          (given.label === undefined || request.labels.includes(given.label ?? '')) &&
          (expiresAt === null ? Date.parse(requestedAt) <= NOW - olderThanMs : Date.parse(expiresAt) <= NOW),
      );
      expect(taken).toEqual(expect.arrayContaining(due));
      if (given.maxBytes === undefined) expect(taken).toHaveLength(due.length);
      const narrowed = given.label !== undefined || given.owner !== undefined;
      if (narrowed) expect(report.orphansRemoved).toBe(0);
      seen = {
        taken: seen.taken + taken.length,
        orphans: seen.orphans + report.orphansRemoved,
        excess: seen.excess + (narrowed ? taken.length - due.length : 0),
      };
      for (const { mediaId, owner, createdAt } of images) await deletions.remove({ mediaId, owner, createdAt });
      if (narrowed) await cleanUp({});
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(image, { maxLength: 8, size: 'max' }),
        fc.subarray(['lost.png', 'lost@8x8.webp']),
        options,
        cleansAsItSays,
      ),
      {
        numRuns: 25,
        examples: [
          [[{ bytes: 100, image: aDraft(9) }], ['lost.png'], {}],
          [[{ bytes: 100, image: aDraft(0) }], ['lost.png'], { label: 'draft', maxBytes: 0 }],
        ],
      },
    );
    // Walks that take nothing would show nothing.
    expect(Object.entries(seen).filter(([, count]) => count === 0)).toEqual([]);
    await records.close();
  },
  9 * LONGEST_WAIT_MS,
);

it('names at most 100 pictures, the oldest first, and leaves one that has lost its label since it was read', async () => {
  await using folder = await temporaryFolder();
  const records = openRecords(folder.path);
  const { request } = exampleImage();
  for (let number = 0; number < 103; number++) {
    const times = { createdAt: hoursAgo(number), requestedAt: hoursAgo(number) };
    await records.accept(
      exampleImage({ mediaId: `m${number}`, ...times, request: { ...request, labels: ['draft'] } }),
      200,
    );
  }
  const relabelled: RecordStore = {
    ...records,
    async expired(query) {
      const found = await records.expired(query);
      await records.update('m102', (image) => ({ ...image, request: { ...request, labels: [] } }));
      return found;
    },
  };
  const options = { olderThanMs: 0, label: 'draft' };
  const dry = await (await openCleanup(folder.path, records)).cleanUp({ ...options, dryRun: true });
  expect(dry).toMatchObject({ deleted: 103, kept: 0 });
  expect(dry.mediaIds).toEqual(Array.from({ length: 100 }, (_, number) => `m${102 - number}`));
  const report = await (await openCleanup(folder.path, relabelled)).cleanUp(options);
  expect(report).toMatchObject({ deleted: 102, kept: 1 });
  expect(await mediaIdsOf(records)).toEqual(['m102']);
  await records.close();
});
