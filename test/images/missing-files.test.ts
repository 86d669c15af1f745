import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { createImageEvents } from '../../src/images/events.ts';
import { mendMissingFiles } from '../../src/images/missing-files.ts';
import { createNameFilter } from '../../src/images/name-filter.ts';
import type { JobQueue, MediaStore } from '../../src/images/ports.ts';
import type { CleanupReport } from '../../src/images/retention.ts';
import { openSqliteRecords } from '../../src/records/sqlite.ts';
import { createDiskStore } from '../../src/storage/disk.ts';
import { type Easel, startEasel } from '../support/easel.ts';
import { exampleFile, exampleImage } from '../support/fake-images.ts';
import { picture } from '../support/openai-answers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Smaller than the original, so that the master is a file of its own. */
const LOST = { mediaId: 'lost', prompt: 'a lighthouse', size: '128x128', renditions: ['64x64.png', '64x64.webp'] };
const SMALL = { IMAGE_MODEL: 'small', IMAGE_SIZE: '256x256' };
const FILES = ['lost.png', 'lost@64x64.png', 'lost@64x64.webp'];

async function cleanUp({ url }: Easel, order: object = {}): Promise<CleanupReport> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(order) };
  return (await (await fetch(`${url}/cleanup`, init)).json()) as CleanupReport;
}

async function lose(easel: Easel, ...names: readonly string[]): Promise<void> {
  const present = await easel.files();
  const originals = names.includes('original') ? present.filter((name) => name.startsWith('originals/lost~')) : [];
  for (const name of [...names, ...originals]) await rm(join(easel.folder, 'media', name), { force: true });
}

async function ended(easel: Easel, status: string) {
  await vi.waitFor(async () => expect((await easel.record('lost')).status).toBe(status), 5000);
  return await easel.made('lost');
}

/** A service with the picture to lose, and one that stays. */
async function startWithLost(options: Parameters<typeof startEasel>[0] = {}): Promise<Easel> {
  const easel = await startEasel({ ...options, env: SMALL });
  easel.upstream.strict = false;
  await easel.post({ mediaId: 'kept', prompt: 'a tower' });
  // So that there is something to warn of when it is finished, which must not be said twice.
  easel.upstream.script(picture({ size: '240x240' }));
  expect((await easel.post(LOST)).status).toBe(201);
  return easel;
}

describe('a cleanup that finds files of a picture gone', () => {
  it.each([
    ['its master', ['lost.png']],
    ['all that is published', FILES],
    ['one rendition', ['lost@64x64.webp']],
  ])('(%s) only says so when dry, and else has them made again, calling nobody', async (_what, gone) => {
    await using easel = await startWithLost();
    const before = await easel.record('lost');
    const files = await easel.files();
    await lose(easel, ...gone);

    const told = { missingFiles: 1, missingFilesOf: ['lost'] };
    expect(await cleanUp(easel, { dryRun: true })).toMatchObject({ ...told, deleted: 0, orphansRemoved: 0, kept: 2 });
    expect(await easel.record('lost')).toEqual(before);

    expect(await cleanUp(easel)).toMatchObject({ ...told, deleted: 0, orphansRemoved: 0, kept: 2 });
    const after = await ended(easel, 'succeeded');
    expect(after).toEqual({ ...before, completedAt: expect.any(String) });
    expect(await easel.files()).toEqual(files);
    for (const name of FILES) expect([name, (await easel.get(`/media/${name}`)).status]).toEqual([name, 200]);
    expect(easel.upstream.calls).toHaveLength(2);
    expect(
      easel.log.filter((line) => line.includes('published files are gone')).map((line) => JSON.parse(line)),
    ).toEqual([false, true].map((mending) => expect.objectContaining({ mediaId: 'lost', missing: gone, mending })));
    expect(easel.log.filter((line) => line.includes('"msg":"cleanup"')).at(-1)).toContain('"missingFiles":1');
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 0, missingFilesOf: [] });
  });

  it('and its original too no longer calls it succeeded, and only a new request pays again', async () => {
    await using easel = await startWithLost();
    await lose(easel, 'lost.png', 'original');
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 1 });
    expect(await ended(easel, 'failed')).toMatchObject({ url: null, error: { code: 'storage_unavailable' } });
    expect((await easel.get('/media/lost.png')).status).toBe(404);
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 0 });
    expect(easel.upstream.calls).toHaveLength(2);

    expect((await easel.post(LOST)).status).toBe(201);
    expect(easel.upstream.calls).toHaveLength(3);
  });

  it('pays for nothing either where the picture came in an earlier run than the one that succeeded', async () => {
    await using folder = await temporaryFolder();
    await (await startWithLost({ folder: folder.path }))[Symbol.asyncDispose]();
    const records = openSqliteRecords({ path: join(folder.path, 'easel.db') });
    await records.update('lost', (image) => ({ ...image, run: 2 }));
    await records.close();

    await using easel = await startEasel({ folder: folder.path, env: SMALL });
    await lose(easel, 'lost.png', 'original');
    await cleanUp(easel);
    await ended(easel, 'failed');
    expect(easel.upstream.calls).toEqual([]);
  });

  it('(a rendition, and the original) lets the picture stand and tells of it', async () => {
    await using easel = await startWithLost();
    await lose(easel, 'lost@64x64.webp', 'original');
    await cleanUp(easel);
    const record = await ended(easel, 'succeeded');
    expect(record.renditions).toMatchObject([{ url: '/media/lost@64x64.png' }]);
    expect(record.warnings).toContainEqual(expect.objectContaining({ code: 'rendition_failed' }));
    expect((await easel.get('/media/lost.png')).status).toBe(200);
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 0 });
  });

  it('takes no picture to be lost when most files are gone, as when a volume is not mounted', async () => {
    await using easel = await startWithLost();
    const media = join(easel.folder, 'media');
    await rename(media, `${media}.away`);
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 2, missingFilesOf: ['lost', 'kept'] });
    expect(easel.log.some((line) => line.includes('is its volume mounted'))).toBe(true);
    await rm(media, { recursive: true, force: true });
    await rename(`${media}.away`, media);
    expect((await easel.get('/media/lost.png')).status).toBe(200);
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 0 });
    expect((await easel.record('lost')).status).toBe('succeeded');
  });
});

describe('mendMissingFiles', () => {
  /** Records of images whose files nobody wrote, and a store whose walk found nothing but claims to have seen enough. */
  async function openScene(folder: string, ...mediaIds: readonly string[]) {
    const records = openSqliteRecords({ path: join(folder, 'easel.db') });
    const store = await createDiskStore({ root: join(folder, 'media') });
    const enqueued: string[] = [];
    const queue: JobQueue = {
      enqueue: (mediaId) => void enqueued.push(mediaId),
      cancel: async () => {},
      depth: () => ({ waiting: 0, running: 0 }),
      stop: async () => {},
    };
    const original = { ...exampleFile('originals/x~1', Buffer.from('original')), sound: true };
    for (const mediaId of mediaIds) await records.accept(exampleImage({ mediaId, original }), 1000);
    const deps = { records, store, queue, events: createImageEvents(), log: pino({ level: 'silent' }) };
    const inventory = { names: createNameFilter(0), files: 1000 };
    const mend = (change: { readonly store?: MediaStore } = {}) =>
      mendMissingFiles({ ...deps, ...change }, inventory, false);
    return { records, store, enqueued, mend, [Symbol.asyncDispose]: () => records.close() };
  }

  it('takes no file for gone that was published after the walk had passed it', async () => {
    await using folder = await temporaryFolder();
    await using scene = await openScene(folder.path, 'x');
    for (const name of ['x.png', 'x@1200x675.webp']) await writeFile(join(folder.path, 'media', name), 'here');
    expect(await scene.mend()).toEqual({ missingFiles: 0, missingFilesOf: [] });
    expect((await scene.records.get('x'))?.status).toBe('succeeded');
  });

  it.each(['deleted', 'made anew', 'asked for again'])('leaves an image alone that is %s meanwhile', async (how) => {
    await using folder = await temporaryFolder();
    await using scene = await openScene(folder.path, 'x');
    let touched: unknown;
    const store: MediaStore = {
      ...scene.store,
      async read(name) {
        if (how === 'asked for again') {
          await scene.records.update('x', (image) => ({ ...image, status: 'queued', run: 2 }));
        } else {
          await scene.records.remove('x');
          await scene.records.deletionDone('x');
        }
        if (how === 'made anew') {
          const original = { ...exampleFile('originals/x~2', Buffer.from('another')), sound: true };
          await scene.records.accept(exampleImage({ mediaId: 'x', original }), 10);
        }
        touched = await scene.records.get('x');
        return await scene.store.read(name);
      },
    };
    expect(await scene.mend({ store })).toEqual({ missingFiles: 0, missingFilesOf: [] });
    expect(await scene.records.get('x')).toEqual(touched);
    expect(scene.enqueued).toEqual([]);
  });

  it('counts all, and mends a hundred at once, so that callers do not wait behind thousands', async () => {
    await using folder = await temporaryFolder();
    const mediaIds = Array.from({ length: 102 }, (_, index) => `image-${String(index).padStart(3, '0')}`);
    await using scene = await openScene(folder.path, ...mediaIds);
    const newest = mediaIds.toReversed();
    expect(await scene.mend()).toEqual({ missingFiles: 102, missingFilesOf: newest.slice(0, 100) });
    expect(scene.enqueued).toEqual(newest.slice(0, 100));
    expect(await scene.mend()).toEqual({ missingFiles: 2, missingFilesOf: newest.slice(100) });
    expect(scene.enqueued).toEqual(newest);
  });
});
