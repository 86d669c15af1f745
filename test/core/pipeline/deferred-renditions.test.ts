import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createImagingThreads } from '../../../src/adapters/imaging/threads.ts';
import { TRAINED_ALGORITHMIC_MEDIA } from '../../../src/core/domain/digital-source.ts';
import { DamagedOriginalError, ImageError } from '../../../src/core/domain/errors.ts';
import { originalName, renditionName, sha256, toOriginal } from '../../../src/core/domain/file-names.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { requeuedForRepair } from '../../../src/core/domain/life-cycle/transitions.ts';
import { createDeferredRenditions } from '../../../src/core/pipeline/deferred-renditions.ts';
import type { Job } from '../../../src/core/pipeline/job.ts';
import { startEasel } from '../../support/app/easel.ts';
import { imageIn } from '../domain/life-cycle/example-changes.ts';
import { openJobOf } from './job-of.ts';

const SLOW = '1280x800.avif';
const NAMES = { slow: `hero@${SLOW}`, quick: 'hero@64x64.avif', webp: 'hero@64x64.webp' };
const pending = (name: string) => ({ url: `/media/${name}`, status: 'pending' });
const published = (name: string) => expect.objectContaining({ url: `/media/${name}`, bytes: expect.any(Number) });

/** Holds each deferred rendition that is about to be made until `release` is called, or the block ends. */
function holdAvif() {
  const released = Promise.withResolvers<void>();
  const openImaging: typeof createImagingThreads = (options) => {
    const imaging = createImagingThreads(options);
    return {
      ...imaging,
      async finishDeferred(...work) {
        await released.promise;
        return await imaging.finishDeferred(...work);
      },
    };
  };
  return { openImaging, release: released.resolve, [Symbol.dispose]: () => released.resolve() };
}

describe('a rendition of a slow format', () => {
  it('is pending when the master is published, and published when it is ready', async () => {
    using held = holdAvif();
    await using easel = await startEasel({ openImaging: held.openImaging });
    const renditions = [SLOW, '64x64.webp'];
    const { status, body } = await easel.post({ mediaId: 'hero', prompt: 'a lighthouse', renditions });
    expect([status, body.status]).toEqual([201, 'succeeded']);
    expect(body.renditions).toEqual([pending(NAMES.slow), published(NAMES.webp)]);
    expect((await easel.get(`/media/${NAMES.slow}`)).status).toBe(404);
    expect(await (await easel.get('/metrics')).text()).toContain('easel_queue_jobs{state="deferred"} 1');

    // The same request is answered from the record: it starts no run and pays nothing.
    const again = await easel.post({ mediaId: 'hero', prompt: 'a lighthouse', renditions });
    expect([again.status, easel.upstream.calls.length]).toEqual([200, 1]);

    held.release();
    const record = await easel.made('hero');
    expect(record.renditions).toEqual([published(NAMES.slow), published(NAMES.webp)]);
    expect({ ...record, renditions: [] }).toEqual({ ...body, renditions: [] });
    const file = await easel.get(`/media/${NAMES.slow}`);
    expect(file.headers.get('content-type')).toBe('image/avif');
    const header = await sharp(Buffer.from(await file.arrayBuffer())).metadata();
    expect(header).toMatchObject({ width: 1280, height: 800, mediaType: 'image/avif' });
    const metrics = await (await easel.get('/metrics')).text();
    expect(metrics).toContain('easel_stage_duration_seconds_count{stage="deferred"} 1');
    expect(metrics).toMatch(/easel_images_total\{status="succeeded"[^}]*\} 1/);
  });

  it('delays no other picture', async () => {
    using held = holdAvif();
    await using easel = await startEasel({ openImaging: held.openImaging, env: { CONCURRENCY: '1' } });
    await easel.post({ mediaId: 'hero', prompt: 'a lighthouse', renditions: [SLOW] });
    const next = await easel.post({ mediaId: 'next', prompt: 'a lighthouse', renditions: ['64x64.png'] });
    expect(next.body.status).toBe('succeeded');
    expect((await easel.record('hero')).renditions).toEqual([pending(NAMES.slow)]);
    held.release();
    await easel.made('hero');
  });

  it('is made at the next start when the process stopped before', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'easel-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    {
      using held = holdAvif();
      await using easel = await startEasel({ folder, openImaging: held.openImaging });
      const renditions = [SLOW, '64x64.avif', '64x64.webp'];
      await easel.post({ mediaId: 'hero', prompt: 'a lighthouse', renditions });
    }
    await using easel = await startEasel({ folder });
    const { renditions } = await easel.made('hero');
    expect(renditions).toEqual([published(NAMES.slow), published(NAMES.quick), published(NAMES.webp)]);
    expect(easel.upstream.calls).toHaveLength(0);
  });

  it('is not made for a deleted image, nor found when its mediaId is used again', async () => {
    using held = holdAvif();
    await using easel = await startEasel({ openImaging: held.openImaging });
    await easel.post({ mediaId: 'hero', prompt: 'a lighthouse', renditions: [SLOW] });
    const cleanedUp = easel.services.images.cleanup({ olderThanMs: 0, maxBytes: null, status: null, dryRun: false });
    held.release();
    await cleanedUp;
    expect(await easel.files()).toEqual([]);
    const { status } = await easel.post({ mediaId: 'hero', prompt: 'another', renditions: ['64x64.avif'] });
    expect(status).toBe(201);
    await easel.made('hero');
    expect((await easel.files()).slice(0, -1)).toEqual(['hero.png', NAMES.quick, 'hero@thumb.webp']);
  });

  it('that cannot be made becomes a warning, and the image stays succeeded', async () => {
    using held = holdAvif();
    await using easel = await startEasel({ openImaging: held.openImaging });
    await easel.post({ mediaId: 'other', prompt: 'a lighthouse', renditions: [SLOW] });
    await easel.post({ mediaId: 'hero', prompt: 'a lighthouse', renditions: ['64x64.avif'] });
    const [original = ''] = (await easel.files()).filter((name) => name.startsWith('originals/hero~'));
    await rm(join(easel.folder, 'media', original));
    held.release();
    const record = await easel.made('hero');
    expect(record).toMatchObject({ status: 'succeeded', renditions: [] });
    expect(record.warnings).toEqual([
      {
        code: 'rendition_failed',
        detail: `${NAMES.quick} could not be made: the original is missing or damaged on disk`,
      },
    ]);
    expect((await easel.get('/media/hero.png')).status).toBe(200);
  });

  it('is made with the master when DEFERRED_RENDITIONS is none', async () => {
    await using easel = await startEasel({ env: { DEFERRED_RENDITIONS: 'none' } });
    const { body } = await easel.post({ mediaId: 'hero', prompt: 'a lighthouse', renditions: ['64x64.avif'] });
    expect(body.renditions).toEqual([published(NAMES.quick)]);
  });
});

describe('the job of pending renditions', () => {
  const BYTES = Buffer.from('original');
  const original = toOriginal(
    originalName('x', 'a'),
    { bytes: BYTES.length, sha256: sha256(BYTES) },
    TRAINED_ALGORITHMIC_MEDIA,
  );
  const image: Image = { ...imageIn('succeeded'), original };
  const [spec] = image.pending;
  const another: Image = { ...image, original: { ...original, name: originalName('x', 'b') } };

  /** Runs the job, whose only picture is the first pending rendition; the hooks run before it is made, and as it is published. */
  async function runJob({
    bytes = BYTES,
    beforeMade = async () => {},
    atPublish = async () => {},
  }: {
    readonly bytes?: Buffer;
    readonly beforeMade?: (scene: { readonly job: Job; readonly stop: () => void }) => Promise<unknown>;
    readonly atPublish?: (job: Job, tries: number) => Promise<unknown>;
  }) {
    if (spec === undefined) throw new Error('no rendition is pending');
    const { job, clock } = openJobOf(image);
    const stopping = new AbortController();
    const signals = { ...job.signals, stopping: stopping.signal };
    const published: string[] = [];
    let reads = 0;
    let tries = 0;
    const runDeferred = createDeferredRenditions({
      openJob: () => ({ ...job, signals }),
      store: {
        async read() {
          reads += 1;
          if (reads === 1) throw new ImageError('storage_unavailable', 'the disk is gone');
          return bytes;
        },
        async publish(sources) {
          tries += 1;
          await atPublish(job, tries);
          for (const { name } of sources) published.push(name);
        },
        remove: () => Promise.reject(new Error('is not called')),
      },
      imaging: {
        async finishDeferred(read, { provenance }, publish) {
          if (sha256(await read()) !== provenance.originalSha256) throw new DamagedOriginalError('other bytes');
          await beforeMade({ job, stop: () => stopping.abort() });
          await publish({ ...spec, bytes: Buffer.from('rendition'), sha256: 'of the rendition' });
          return [];
        },
      },
      embedPrompt: false,
      contentNames: false,
    });
    await runDeferred('x', signals);
    return { stored: await job.read(), published, slept: clock.slept };
  }

  it('publishes each before the record shows it, over faults of the disk', async () => {
    const { stored, published, slept } = await runJob({
      async atPublish(job, tries) {
        expect(await job.read()).toEqual(image);
        if (tries === 1) throw new ImageError('storage_full', 'the disk is full');
      },
    });
    expect(published).toHaveLength(1);
    expect(slept).toEqual([500, 500]);
    expect(stored?.renditions).toHaveLength(image.renditions.length + 1);
    expect(stored?.pending).toEqual(image.pending.slice(1));
  });

  it('makes none from a damaged original, and says so', async () => {
    const { stored, published } = await runJob({ bytes: Buffer.from('damaged') });
    expect(published).toEqual([]);
    expect(stored).toMatchObject({ status: 'succeeded', pending: [] });
    const detail = expect.stringContaining('the original is missing or damaged on disk');
    expect(stored?.warnings).toContainEqual({ code: 'rendition_failed', detail });
  });

  it('leaves to the next start what the stop of the process comes before', async () => {
    const { stored, published } = await runJob({ beforeMade: async ({ stop }) => stop() });
    expect([published, stored]).toEqual([[], image]);
  });

  it('publishes nothing for an image that was made again meanwhile, and changes nothing of it', async () => {
    const before = await runJob({ beforeMade: ({ job }) => job.change(() => another) });
    expect([before.published, before.stored]).toEqual([[], another]);
    const during = await runJob({ atPublish: (job) => job.change(() => another) });
    expect(during.stored).toEqual(another);
  });

  it('gives up what it has tried, and leaves what has become pending since', async () => {
    const lost = image.renditions[0];
    if (lost === undefined) throw new Error('nothing is published');
    const { stored } = await runJob({
      async beforeMade({ job }) {
        await job.change((current) => requeuedForRepair(current, [lost.name], '2026-11-23T16:00:00.000Z'));
        throw new Error('too large to encode');
      },
    });
    expect(stored?.pending.map((one) => renditionName('x', one))).toEqual([lost.name]);
  });
});
