import { mkdir, rename, rmdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createLocalLocks } from '../../../src/adapters/locks/local.ts';
import type { CleanupReport } from '../../../src/core/ports/record-store.ts';
import { createCleanup } from '../../../src/core/retention/cleanup.ts';
import { createSweepWatch } from '../../../src/core/retention/sweep-watch.ts';
import { bytesOnDisk, type Easel, startEasel } from '../../support/app/easel.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openRecords } from '../../support/app/records.ts';
import { openAiError, picture } from '../../support/openai/answers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const HOUR_MS = 3_600_000;

async function cleanUp(easel: Easel, options: object = {}): Promise<CleanupReport> {
  const response = await fetch(`${easel.url}/cleanup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(options),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as CleanupReport;
}

/** Puts a file of the given age, in hours, into the media folder. */
async function addFile(easel: Easel, name: string, hours: number): Promise<void> {
  const path = join(easel.folder, 'media', name);
  const time = (easel.clock.now() - hours * HOUR_MS) / 1000;
  await writeFile(path, 'left over');
  await utimes(path, time, time);
}

describe('POST /cleanup', () => {
  it('deletes older images, reports the freed bytes, and keeps the rest', async () => {
    await using easel = await startEasel();
    await easel.post({ mediaId: 'old', prompt: 'a lighthouse' });
    easel.clock.advance(2 * HOUR_MS);
    await easel.post({ mediaId: 'new', prompt: 'a lighthouse' });
    const before = await easel.files();
    const bytes = await bytesOnDisk(easel, 'old');

    const dry = await cleanUp(easel, { olderThan: '1h', dryRun: true });
    expect(dry).toMatchObject({ deleted: 1, kept: 1, dryRun: true });
    expect(await easel.files()).toEqual(before);

    const report = await cleanUp(easel, { olderThan: '1h' });
    expect(report).toMatchObject({ deleted: 1, kept: 1, freedBytes: bytes, orphansRemoved: 0, dryRun: false });
    expect(dry.freedBytes).toBe(bytes);
    expect(await easel.files()).toEqual(before.filter((name) => name.includes('new')));
    expect((await easel.get('/images/old')).status).toBe(404);
    expect((await easel.get('/media/old.png')).status).toBe(404);
    expect((await easel.get('/media/new.png')).status).toBe(200);
  });

  it('applies the ttlSeconds of an image, and RETENTION where it has none', async () => {
    await using easel = await startEasel({ env: { RETENTION: '2h' } });
    await easel.post({ mediaId: 'brief', prompt: 'a lighthouse', ttlSeconds: 60 });
    await easel.post({ mediaId: 'long', prompt: 'a lighthouse', ttlSeconds: 86_400 });
    await easel.post({ mediaId: 'plain', prompt: 'a lighthouse' });
    easel.clock.advance(HOUR_MS);
    expect(await cleanUp(easel)).toMatchObject({ deleted: 1, kept: 2 });
    easel.clock.advance(2 * HOUR_MS);
    expect(await cleanUp(easel)).toMatchObject({ deleted: 1, kept: 1 });
    expect((await easel.get('/images/long')).status).toBe(200);
  });

  it('counts the age of an image from its latest request, as a rerun is a new life', async () => {
    await using easel = await startEasel({ env: { RETENTION: '2h', RETRY_MAX_ATTEMPTS: '1' } });
    easel.upstream.script(openAiError('server_error'));
    await easel.post({ mediaId: 'again', prompt: 'a lighthouse', renditions: [] });
    easel.clock.advance(HOUR_MS);
    await easel.post({ mediaId: 'other', prompt: 'a lighthouse', renditions: [] });
    easel.clock.advance(0.75 * HOUR_MS);
    expect((await easel.post({ mediaId: 'again', prompt: 'a lighthouse', renditions: [] })).status).toBe(201);
    easel.clock.advance(0.75 * HOUR_MS);
    expect(await cleanUp(easel)).toMatchObject({ deleted: 0, kept: 2 });
    // Of the two, the one that was made first was requested last.
    expect(await cleanUp(easel, { maxBytes: await bytesOnDisk(easel, 'other') })).toMatchObject({
      deleted: 1,
      kept: 1,
    });
    expect((await easel.get('/images/again')).status).toBe(200);
    easel.clock.advance(1.5 * HOUR_MS);
    expect(await cleanUp(easel)).toMatchObject({ deleted: 1, kept: 0 });
  });

  it('deletes only images of the requested status, and never an unfinished one', async () => {
    await using easel = await startEasel({ env: { RETRY_MAX_ATTEMPTS: '1' } });
    easel.upstream.script(openAiError('server_error'));
    await easel.post({ mediaId: 'failed', prompt: 'a lighthouse' });
    await easel.post({ mediaId: 'good', prompt: 'a lighthouse' });
    easel.upstream.script(picture({ beforeHeaders: 'forever' }));
    await easel.post({ mediaId: 'running', prompt: 'a lighthouse' }, { prefer: 'respond-async' });
    easel.clock.advance(HOUR_MS);
    expect(await cleanUp(easel, { maxBytes: 0, status: 'cancelled' })).toMatchObject({ deleted: 0, kept: 3 });
    expect(await cleanUp(easel, { olderThan: '1s', status: 'failed' })).toMatchObject({ deleted: 1, kept: 2 });
    expect(await cleanUp(easel, { olderThan: '1s' })).toMatchObject({ deleted: 1, kept: 1 });
    expect((await easel.get('/images/running')).status).toBe(200);
  });

  it('deletes the oldest images beyond maxBytes, whatever their age', async () => {
    await using easel = await startEasel();
    let sizes: number[] = [];
    for (const mediaId of ['a', 'b', 'c']) {
      await easel.post({ mediaId, prompt: mediaId, ttlSeconds: mediaId === 'a' ? 86_400 : undefined });
      sizes = [...sizes, await bytesOnDisk(easel, mediaId)];
      easel.clock.advance(1000);
    }
    const [, ofB = 0, ofC = 0] = sizes;
    expect(await cleanUp(easel, { maxBytes: ofB + ofC, dryRun: true })).toMatchObject({ deleted: 1, kept: 2 });
    expect(await cleanUp(easel, { maxBytes: ofB + ofC })).toMatchObject({ deleted: 1, freedBytes: sizes[0], kept: 2 });
    expect(await cleanUp(easel, { maxBytes: ofB + ofC })).toMatchObject({ deleted: 0, kept: 2 });
    expect(await cleanUp(easel, { maxBytes: 0 })).toMatchObject({ deleted: 2, kept: 0 });
    expect(await easel.files()).toEqual([]);
  });

  it('counts an image once that is both too old and beyond maxBytes, in a dry run too', async () => {
    await using easel = await startEasel();
    const sizes: number[] = [];
    for (const mediaId of ['old', 'b', 'c']) {
      await easel.post({ mediaId, prompt: 'a lighthouse' });
      sizes.push(await bytesOnDisk(easel, mediaId));
      easel.clock.advance(mediaId === 'old' ? HOUR_MS : 1000);
    }
    const [ofOld = 0, ofB = 0, ofC = 0] = sizes;
    const spec = { olderThan: '30m', maxBytes: ofC };
    const expected = { deleted: 2, kept: 1, freedBytes: ofOld + ofB };
    expect(await cleanUp(easel, { ...spec, dryRun: true })).toMatchObject(expected);
    expect(await cleanUp(easel, spec)).toMatchObject(expected);
    expect((await easel.get('/images/c')).status).toBe(200);
  });

  it('removes the files that a DELETE could not remove, unless it is a dry run', async () => {
    await using easel = await startEasel();
    await easel.post({ mediaId: 'x', prompt: 'a lighthouse' });
    const files = await easel.files();
    const master = join(easel.folder, 'media', 'x.png');
    await rename(master, `${master}.away`);
    // A folder in the place of the file: `unlink` fails for it.
    await mkdir(master);
    expect((await fetch(`${easel.url}/images/x`, { method: 'DELETE' })).status).toBe(204);
    await rmdir(master);
    await rename(`${master}.away`, master);
    const left = await easel.files();
    expect(left).not.toEqual([]);
    expect(files).toEqual(expect.arrayContaining(left));

    expect(await cleanUp(easel, { dryRun: true })).toMatchObject({ deleted: 0, orphansRemoved: 0 });
    expect(await easel.files()).toEqual(left);
    expect(await cleanUp(easel)).toMatchObject({ deleted: 0, orphansRemoved: 0 });
    expect(await easel.files()).toEqual([]);
  });

  it('applies the longest retention of the labels, and never deletes a pinned image', async () => {
    await using easel = await startEasel({ env: { RETENTION: '2h', RETENTION_BY_LABEL: 'draft:1h,press:1d' } });
    for (const labels of [['draft'], ['draft', 'press'], ['pinned'], []]) {
      await easel.post({ mediaId: labels.join('-') || 'plain', prompt: 'a lighthouse', labels, renditions: [] });
    }
    easel.clock.advance(1.5 * HOUR_MS);
    expect(await cleanUp(easel)).toMatchObject({ deleted: 1, kept: 3 });
    expect((await easel.get('/images/draft')).status).toBe(404);
    easel.clock.advance(1 * HOUR_MS);
    expect(await cleanUp(easel)).toMatchObject({ deleted: 1, kept: 2 });
    expect((await easel.get('/images/plain')).status).toBe(404);
    easel.clock.advance(30 * HOUR_MS);
    expect(await cleanUp(easel, { olderThan: '0s', maxBytes: 0 })).toMatchObject({ deleted: 1, kept: 1 });
    expect((await easel.get('/media/pinned.png')).status).toBe(200);
    expect((await fetch(`${easel.url}/images/pinned`, { method: 'DELETE' })).status).toBe(204);
  });

  it('is reported by /cleanup/last, also after a restart', async () => {
    await using folder = await temporaryFolder();
    {
      await using easel = await startEasel({ folder: folder.path });
      expect((await easel.get('/cleanup/last')).status).toBe(404);
      const report = await cleanUp(easel, { dryRun: true });
      expect(await (await easel.get('/cleanup/last')).json()).toEqual({ ...report, time: expect.stringMatching(/Z$/) });
    }
    await using easel = await startEasel({ folder: folder.path });
    expect((await easel.get('/cleanup/last')).status).toBe(200);
  });

  it('removes files without a record once they are an hour old', async () => {
    await using easel = await startEasel();
    await easel.post({ mediaId: 'kept', prompt: 'a lighthouse' });
    const kept = await easel.files();
    await addFile(easel, 'gone.png', 2);
    await addFile(easel, 'kept@9x9.webp', 2);
    await addFile(easel, 'originals/kept~0', 30 * 24 + 1);
    await addFile(easel, 'fresh.png', 0.5);
    expect(await cleanUp(easel, { dryRun: true })).toMatchObject({ deleted: 0, orphansRemoved: 3 });
    expect(await cleanUp(easel)).toMatchObject({ deleted: 0, orphansRemoved: 3, freedBytes: 27 });
    expect(await easel.files()).toEqual(['fresh.png', ...kept]);
  });

  it.each([11, 105])('keeps %i files of which the database knows hardly one, and logs it', async (files) => {
    await using easel = await startEasel();
    await easel.post({ mediaId: 'known', prompt: 'a lighthouse' });
    const kept = await easel.files();
    for (let index = 0; index < files; index++) await addFile(easel, `originals/paid-${index}~0`, 31 * 24);
    easel.clock.advance(2 * HOUR_MS);
    expect(await cleanUp(easel)).toMatchObject({ orphansRemoved: 0 });
    expect(await easel.files()).toHaveLength(kept.length + files);
    const line = easel.log.find((text) => text.includes('is DATABASE_URL right')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({ orphans: files, owned: kept.length });
  });
});

const silent = pino({ level: 'silent' });
const NOTHING_FOUND = {
  orphansRemoved: 0,
  foreignFiles: 0,
  unownedBytes: 0,
  inventory: { mayHold: () => true, files: 0 },
};

describe('createCleanup', () => {
  it('runs cleanups one after the other', async () => {
    const steps: string[] = [];
    let started = 0;
    const cleanUp = createCleanup({
      records: {
        expired: async () => [],
        countSharing: async () => new Map(),
        oldest: async () => [],
        countByStatus: async () => ({
          queued: 0,
          generating: 0,
          processing: 0,
          succeeded: 0,
          failed: 0,
          cancelled: 0,
        }),
        saveCleanup: async () => void steps.push('saved'),
      },
      store: { bytesOf: async () => 0, usedBytes: async () => 0 },
      deletions: { completeAll: async () => {}, removeFinished: async () => true },
      async removeOrphans() {
        steps.push(`walk ${++started}`);
        await nextTurn();
        return NOTHING_FOUND;
      },
      repairMissingFiles: async () => ({ missingFiles: 0, missingFilesOf: [] }),
      retention: { olderThanMs: null, maxBytes: null },
      watch: createSweepWatch(silent, { cleanupEnded: () => undefined }),
      locks: createLocalLocks(),
      clock: { now: () => 0, monotonic: () => 0, sleep: async () => {} },
      log: silent,
    });
    await Promise.all([cleanUp({}), cleanUp({ dryRun: true })]);
    expect(steps).toEqual(['walk 1', 'saved', 'walk 2', 'saved']);
  });

  it('walks through every batch in the order of the latest requests, whenever the images were made', async () => {
    await using folder = await temporaryFolder();
    const records = openRecords(folder.path);
    const at = (second: number) => new Date(Date.UTC(2026) + second * 1000).toISOString();
    for (let number = 0; number < 250; number++) {
      const requestedAt = at(1_000 + number);
      await records.accept(exampleImage({ mediaId: `m${number}`, createdAt: at(250 - number), requestedAt }), 10);
    }
    const found: string[] = [];
    const cleanUp = createCleanup({
      records,
      store: { bytesOf: async () => 0, usedBytes: async () => 0 },
      deletions: {
        completeAll: async () => {},
        async removeFinished({ mediaId }) {
          // A batch that is found again would make it go on for ever.
          if (found.includes(mediaId)) throw new Error(`${mediaId} was found twice`);
          found.push(mediaId);
          return false;
        },
      },
      removeOrphans: async () => NOTHING_FOUND,
      repairMissingFiles: async () => ({ missingFiles: 0, missingFilesOf: [] }),
      retention: { olderThanMs: 0, maxBytes: null },
      watch: createSweepWatch(silent, { cleanupEnded: () => undefined }),
      locks: createLocalLocks(),
      clock: { now: () => Date.UTC(2026) + 1_199_000, monotonic: () => 0, sleep: async () => {} },
      log: silent,
    });
    // None of them is removed: each was requested again since it was found.
    expect(await cleanUp({})).toMatchObject({ deleted: 0, freedBytes: 0 });
    expect(found).toEqual(Array.from({ length: 200 }, (_, number) => `m${number}`));
    await records.close();
  });
});
