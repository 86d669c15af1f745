import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createDiskStore } from '../../../src/adapters/storage/disk.ts';
import { requeuedForRepair } from '../../../src/core/domain/life-cycle/transitions.ts';
import type { JobQueue } from '../../../src/core/ports/job-queue.ts';
import type { MediaStore } from '../../../src/core/ports/media-store.ts';
import type { CleanupReport } from '../../../src/core/ports/record-store.ts';
import { createRepair } from '../../../src/core/retention/repair.ts';
import { type Easel, startEasel } from '../../support/app/easel.ts';
import { exampleFile, exampleImage } from '../../support/app/fake-images.ts';
import { openRecords } from '../../support/app/records.ts';
import { picture } from '../../support/openai/answers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { eventually } from '../../support/until.ts';

/** Smaller than the original, so that the master is a file of its own. */
const LOST = { mediaId: 'lost', prompt: 'a lighthouse', size: '128x128', renditions: ['64x64.png', '64x64.webp'] };
const SMALL = { IMAGE_MODEL: 'small', IMAGE_SIZE: '256x256' };
const FILES = ['lost.png', 'lost@64x64.png', 'lost@64x64.webp'];

async function cleanUp({ url }: Easel, options: object = {}): Promise<CleanupReport> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(options) };
  return (await (await fetch(`${url}/cleanup`, init)).json()) as CleanupReport;
}

async function removeFiles(easel: Easel, ...names: readonly string[]): Promise<void> {
  const present = await easel.files();
  const originals = names.includes('original') ? present.filter((name) => name.startsWith('originals/lost~')) : [];
  for (const name of [...names, ...originals]) await rm(join(easel.folder, 'media', name), { force: true });
}

async function waitForStatus(easel: Easel, status: string) {
  await eventually(async () => expect((await easel.record('lost')).status).toBe(status));
  return await easel.made('lost');
}

/** A service with the image `lost`, whose files the tests remove, and the image `kept`. */
async function startWithLost(options: Parameters<typeof startEasel>[0] = {}): Promise<Easel> {
  const easel = await startEasel({ ...options, env: SMALL });
  easel.upstream.strict = false;
  await easel.post({ mediaId: 'kept', prompt: 'a tower' });
  // A picture of another size than requested gives a warning when it is finished, which a repair must not repeat.
  easel.upstream.script(picture({ size: '240x240' }));
  expect((await easel.post(LOST)).status).toBe(201);
  return easel;
}

const LOST_AT = '2026-11-24T00:00:00.000Z';

describe('a cleanup that finds files of an image missing', () => {
  it.each([
    ['its master', ['lost.png']],
    ['all published files', FILES],
    ['one rendition', ['lost@64x64.webp']],
    ['its thumbnail', ['lost@thumb.webp']],
  ])('(%s) only reports them in a dry run, and else repairs them without a provider call', async (_what, gone) => {
    await using easel = await startWithLost();
    const before = await easel.record('lost');
    const files = await easel.files();
    await removeFiles(easel, ...gone);

    const expected = { missingFiles: 1, missingFilesOf: ['lost'] };
    expect(await cleanUp(easel, { dryRun: true })).toMatchObject({
      ...expected,
      deleted: 0,
      orphansRemoved: 0,
      kept: 2,
    });
    expect(await easel.record('lost')).toEqual(before);

    expect(await cleanUp(easel)).toMatchObject({ ...expected, deleted: 0, orphansRemoved: 0, kept: 2 });
    const after = await waitForStatus(easel, 'succeeded');
    // A repair of the master takes the image through its statuses once more.
    const { statusSince } = gone.includes('lost.png') ? after : before;
    expect(after).toEqual({ ...before, statusSince });
    expect(await easel.files()).toEqual(files);
    for (const name of FILES) expect([name, (await easel.get(`/media/${name}`)).status]).toEqual([name, 200]);
    expect(easel.upstream.calls).toHaveLength(2);
    expect(
      easel.log.filter((line) => line.includes('published files are gone or damaged')).map((line) => JSON.parse(line)),
    ).toEqual([false, true].map((repairing) => expect.objectContaining({ mediaId: 'lost', missing: gone, repairing })));
    expect(easel.log.filter((line) => line.includes('"msg":"cleanup"')).at(-1)).toContain('"missingFiles":1');
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 0, missingFilesOf: [] });
  });

  it.each([
    ['its master', 'lost.png'],
    ['a rendition', 'lost@64x64.webp'],
  ])('(%s, and the original) keeps the record, serves the rest, and logs it each time', async (_what, gone) => {
    await using easel = await startWithLost();
    const before = await easel.record('lost');
    await removeFiles(easel, gone, 'original');
    for (let times = 1; times <= 2; times++) {
      expect(await cleanUp(easel)).toMatchObject({ missingFiles: 1, missingFilesOf: ['lost'], orphansRemoved: 0 });
      expect(easel.log.filter((line) => line.includes('"repairing":false'))).toHaveLength(times);
    }
    expect(await easel.record('lost')).toEqual(before);
    for (const name of FILES) {
      expect([name, (await easel.get(`/media/${name}`)).status]).toEqual([name, name === gone ? 404 : 200]);
    }
    expect(easel.upstream.calls).toHaveLength(2);
    await fetch(`${easel.url}/images/lost`, { method: 'DELETE' });
    expect((await easel.post(LOST)).status).toBe(201);
    expect(easel.upstream.calls).toHaveLength(3);
  });

  it('leaves an image alone whose original is damaged, whose other files are served on', async () => {
    await using easel = await startWithLost();
    const before = await easel.record('lost');
    await removeFiles(easel, 'lost@64x64.webp');
    const [original = ''] = (await easel.files()).filter((name) => name.startsWith('originals/lost~'));
    await writeFile(join(easel.folder, 'media', original), 'damaged');
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 1, missingFilesOf: ['lost'] });
    expect(easel.log.filter((line) => line.includes('"repairing":false'))).toHaveLength(1);
    expect(await easel.record('lost')).toEqual(before);
    expect((await easel.get('/media/lost.png')).status).toBe(200);
  });

  it('runs no checks again, so that stricter checks neither pay for a new picture nor reject this one', async () => {
    await using folder = await temporaryFolder();
    const options = { folder: folder.path };
    {
      await using easel = await startEasel({ ...options, env: { ...SMALL, CHECK_UNIFORMITY: 'warn' } });
      easel.upstream.strict = false;
      easel.upstream.script(picture({ content: 'blank' }));
      await easel.post(LOST);
    }
    const env = { ...SMALL, CHECK_UNIFORMITY: 'reject', REGENERATE_ON_REJECT: 'true' };
    await using easel = await startEasel({ ...options, env });
    const before = await easel.record('lost');
    expect(before.checks).toContainEqual(expect.objectContaining({ name: 'uniformity', verdict: 'warn' }));
    await removeFiles(easel, 'lost.png');
    await cleanUp(easel);
    await expect.poll(async () => (await easel.get('/media/lost.png')).status).toBe(200);
    const { statusSince } = await easel.record('lost');
    expect(await easel.record('lost')).toEqual({ ...before, statusSince });
    expect(easel.upstream.calls).toEqual([]);
    expect(await (await easel.get('/metrics')).text()).not.toMatch(/easel_images_total\{[^}]*\} [1-9]/);
  });

  it('leaves half of the queue to new pictures', async () => {
    await using easel = await startEasel({ env: { ...SMALL, QUEUE_LIMIT: '2', CONCURRENCY: '1' } });
    easel.upstream.strict = false;
    const gate = easel.upstream.gate();
    await easel.post(LOST);
    easel.upstream.script(picture({ beforeHeaders: gate }), picture({ beforeHeaders: gate }));
    for (const mediaId of ['running', 'waiting'])
      await easel.post({ mediaId, prompt: 'a tower' }, { prefer: 'respond-async' });
    await gate.reached();
    await removeFiles(easel, 'lost.png');
    expect(await cleanUp(easel)).toMatchObject({ missingFiles: 1 });
    expect((await easel.record('lost')).status).toBe('succeeded');
    gate.open();
  });

  it('repairs nothing when most files are missing, as when a volume is not mounted', async () => {
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

describe('createRepair', () => {
  /** Records of images without published files, and an inventory that has no names but files enough to look mounted. */
  async function openScene(folder: string, ...mediaIds: readonly string[]) {
    const records = openRecords(folder);
    const store = await createDiskStore({ root: join(folder, 'media') });
    const enqueued: string[] = [];
    const queue: JobQueue = {
      enqueue: async (mediaId) => void enqueued.push(mediaId),
      cancel: async () => {},
      position: async () => null,
      depth: async () => ({ waiting: 0, running: 0 }),
      start: async () => {},
      stop: async () => {},
    };
    const original = { ...exampleFile('originals/x~1', Buffer.from('original')), sound: true };
    for (const mediaId of mediaIds) await records.accept(exampleImage({ mediaId, original }), 1000);
    await store.put('originals/x~1', Buffer.from('original'));
    const lines: Record<string, unknown>[] = [];
    const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const published: unknown[] = [];
    const events = { publish: (mediaId: string) => void published.push(mediaId) };
    const ensured: string[] = [];
    const ensureThumbnail = async (mediaId: string) => void ensured.push(mediaId);
    const clock = { now: () => Date.UTC(2026, 10, 24) };
    const deps = { records, store, queue, queueLimit: 100, events, ensureThumbnail, clock, log };
    const inventory = { mayHold: () => false, files: 1000 };
    const passedOver: string[] = [];
    const sweep = { dryRun: false, passOver: (name: string) => void passedOver.push(name) };
    const repair = (change: { readonly store?: MediaStore } = {}) =>
      createRepair({ ...deps, ...change })(inventory, sweep);
    return {
      records,
      store,
      queue,
      events,
      log,
      enqueued,
      published,
      passedOver,
      ensured,
      lines,
      deps,
      repair,
      [Symbol.asyncDispose]: () => records.close(),
    };
  }

  it('does not count a file as missing that was published after the walk had passed it', async () => {
    await using folder = await temporaryFolder();
    await using scene = await openScene(folder.path, 'x');
    await writeFile(join(folder.path, 'media', 'x.png'), 'master');
    await writeFile(join(folder.path, 'media', 'x@1200x675.webp'), 'rendition');
    expect(await scene.repair()).toEqual({ missingFiles: 0, missingFilesOf: [] });
    expect((await scene.records.get('x'))?.status).toBe('succeeded');
  });

  it.each(['deleted', 'replaced', 'requested again'])('does not touch an image that is %s meanwhile', async (how) => {
    await using folder = await temporaryFolder();
    await using scene = await openScene(folder.path, 'x');
    let touched: unknown;
    const store: MediaStore = {
      ...scene.store,
      async read(name) {
        if (how === 'requested again') {
          await scene.records.update('x', (image) => ({ ...image, status: 'queued', run: 2 }));
        } else {
          await scene.records.remove('x');
          await scene.records.deletionDone('x');
        }
        if (how === 'replaced') {
          const original = { ...exampleFile('originals/x~2', Buffer.from('another')), sound: true };
          await scene.records.accept(exampleImage({ mediaId: 'x', original }), 10);
        }
        touched = await scene.records.get('x');
        return await scene.store.read(name);
      },
    };
    expect(await scene.repair({ store })).toEqual({ missingFiles: 0, missingFilesOf: [] });
    expect(await scene.records.get('x')).toEqual(touched);
    expect(scene.enqueued).toEqual([]);
  });

  it('reports an image that cannot be queued for repair, and neither publishes nor enqueues it', async () => {
    await using folder = await temporaryFolder();
    await using scene = await openScene(folder.path, 'x');
    const unsound = await scene.records.update('x', (image) => ({
      ...image,
      original: image.original && { ...image.original, sound: false },
    }));
    expect(await scene.repair()).toEqual({ missingFiles: 1, missingFilesOf: ['x'] });
    expect(scene.lines).toMatchObject([{ msg: 'published files are gone or damaged', mediaId: 'x', repairing: false }]);
    expect([scene.published, scene.enqueued]).toEqual([[], []]);
    expect(await scene.records.get('x')).toEqual(unsound);
  });

  it('does not count a file as missing that has become pending meanwhile', async () => {
    await using folder = await temporaryFolder();
    await using scene = await openScene(folder.path, 'x');
    await writeFile(join(folder.path, 'media', 'x.png'), 'master');
    const lost = 'x@1200x675.webp';
    const store: MediaStore = {
      ...scene.store,
      async read(name) {
        if (name === lost) await scene.records.update('x', (image) => requeuedForRepair(image, [lost], LOST_AT));
        return await scene.store.read(name);
      },
    };
    expect(await scene.repair({ store })).toEqual({ missingFiles: 0, missingFilesOf: [] });
    expect([scene.lines, scene.published, scene.enqueued]).toEqual([[], [], []]);
  });

  it('reads some files of the right size in each run to compare their checksums, and others in the next', async () => {
    await using folder = await temporaryFolder();
    await using scene = await openScene(folder.path, 'a', 'b', 'c');
    const content = Buffer.alloc(40 * 1024 * 1024);
    for (const mediaId of ['a', 'b', 'c']) {
      const master = exampleFile(`${mediaId}.png`, content);
      await scene.records.update(mediaId, (image) => ({ ...image, master, renditions: [] }));
    }
    let read: string[] = [];
    const store: MediaStore = {
      ...scene.store,
      async read(name) {
        read.push(name);
        return content;
      },
    };
    const repair = createRepair({ ...scene.deps, store });
    const passOver = (name: string) => expect.unreachable(name);
    for (const expected of [['c.png', 'b.png'], ['a.png'], ['c.png', 'b.png']]) {
      read = [];
      const found = await repair({ mayHold: () => true, files: 1000 }, { dryRun: true, passOver });
      expect([found.missingFiles, read]).toEqual([0, expected]);
    }
  });

  it('does not take a file that was made again meanwhile, with other bytes, for a damaged one', async () => {
    await using folder = await temporaryFolder();
    await using scene = await openScene(folder.path, 'x');
    await writeFile(join(folder.path, 'media', 'x@1200x675.webp'), 'rendition');
    const again = Buffer.from('made again');
    await writeFile(join(folder.path, 'media', 'x.png'), again);
    const store: MediaStore = {
      ...scene.store,
      async read(name) {
        if (name === 'x.png')
          await scene.records.update('x', (image) => ({ ...image, master: exampleFile(name, again) }));
        return await scene.store.read(name);
      },
    };
    expect(await scene.repair({ store })).toEqual({ missingFiles: 0, missingFilesOf: [] });
    expect([scene.lines, scene.published, scene.enqueued]).toEqual([[], [], []]);
  });

  it('counts all, and repairs a hundred in one run, so that new pictures do not wait behind thousands', async () => {
    await using folder = await temporaryFolder();
    const mediaIds = Array.from({ length: 102 }, (_, index) => `image-${String(index).padStart(3, '0')}`);
    await using scene = await openScene(folder.path, ...mediaIds);
    const newest = mediaIds.toReversed();
    expect(await scene.repair()).toEqual({ missingFiles: 102, missingFilesOf: newest.slice(0, 100) });
    expect(scene.enqueued).toEqual(newest.slice(0, 100));
    expect(await scene.repair()).toEqual({ missingFiles: 2, missingFilesOf: newest.slice(100) });
    expect(scene.enqueued).toEqual(newest);
  });
});
