import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import type { SpendingGuard } from '../../../src/core/domain/money.ts';
import { inRun, SupersededError } from '../../../src/core/pipeline/job.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { openJobOf } from './job-of.ts';

const generating: Image = { ...exampleImage(), mediaId: 'x', status: 'generating', run: 2 };

const revise = (image: Image): Image => ({ ...image, revisedPrompt: 'changed' });

/** A step that is legal only once, as most are. */
const setProcessing = (image: Image): Image | null =>
  image.status === 'generating' ? { ...image, status: 'processing' } : null;

describe('a job', () => {
  it('publishes a change once it is stored, and what is stored where nothing changes', async () => {
    const { job, published } = openJobOf(generating);
    const changed = await job.change(revise);
    expect(changed).toEqual({ ...generating, revisedPrompt: 'changed' });
    await job.change(() => null);
    expect(published).toEqual([changed, changed]);
  });

  it('publishes null for a deleted image, and nothing for a cancelled one', async () => {
    const deleted = openJobOf(null);
    expect([await deleted.job.change(revise), deleted.published]).toEqual([null, [null]]);
    const cancelled = openJobOf({ ...generating, status: 'cancelled' });
    await cancelled.job.change(revise);
    expect(cancelled.published).toEqual([]);
  });

  it('retries a change while the storage fails, and logs it with the mediaId', async () => {
    const { job, clock, lines } = openJobOf(generating, { faults: ['rolled back', 'rolled back'] });
    expect((await job.change(revise))?.revisedPrompt).toBe('changed');
    expect(clock.slept).toEqual([500, 1000]);
    expect(lines).toMatchObject([
      { mediaId: 'x', code: 'storage_unavailable', msg: 'storage failed, retrying' },
      { mediaId: 'x', waitedMs: 1500 },
    ]);
  });

  it('hands the guard to every try of a change', async () => {
    const { job, guards } = openJobOf(generating, { faults: ['rolled back'] });
    const guard: SpendingGuard = {
      day: '2026-11-23',
      limitsOf: () => ({ service: null, owner: null }),
      check: () => {},
    };
    await inRun(job, 2).advance(revise, guard);
    expect(guards).toEqual([guard, guard]);
  });

  it('retries a read while the storage fails; that of an original for a minute only', async () => {
    const { job, clock } = openJobOf(generating, { reads: 3 });
    expect(await job.read()).toEqual(generating);
    expect(clock.slept).toEqual([500, 1000, 2000]);
    const gone = () => Promise.reject(new ImageError('storage_unavailable', 'the disk is gone'));
    await expect(job.retryRead(gone)).rejects.toThrow('the disk is gone');
    expect(clock.slept.slice(3).reduce((sum, ms) => sum + ms)).toBeGreaterThanOrEqual(60_000);
  });

  it('measures a stage in seconds, also one that fails', async () => {
    const { job, clock, stages } = openJobOf(generating);
    const failing = job.timed('store', async () => {
      await clock.sleep(2000);
      throw new Error('broken');
    });
    await expect(failing).rejects.toThrow('broken');
    expect(stages).toEqual([['store', expect.closeTo(2, 1)]]);
  });
});

describe('a run', () => {
  it('advances an image that is still in it', async () => {
    const { job } = openJobOf(generating);
    expect((await inRun(job, 2).advance(revise)).revisedPrompt).toBe('changed');
  });

  it.each([
    ['in another run', { ...generating, run: 3 }],
    ['cancelled', { ...generating, status: 'cancelled' as const }],
    ['deleted', null],
  ])('changes nothing of an image that is %s', async (_, image) => {
    const { job } = openJobOf(image);
    await expect(inRun(job, 2).advance(revise)).rejects.toThrow(SupersededError);
    expect(await job.read()).toEqual(image);
  });

  it('advances once, where the write is committed and then raises, so that it is retried', async () => {
    const { job, clock } = openJobOf(generating, { faults: ['committed'] });
    const advanced = await inRun(job, 2).advance(setProcessing);
    expect([advanced.status, clock.slept]).toEqual(['processing', [500]]);
  });

  it('advances to the end of the run, where that write is committed and then raises', async () => {
    const { job } = openJobOf(generating, { faults: ['committed'] });
    const end = (image: Image): Image => ({ ...image, status: 'failed' });
    expect((await inRun(job, 2).advance(end)).status).toBe('failed');
  });

  it.each<[string, Partial<Image>]>([
    ['cancelled', { status: 'cancelled' }],
    ['requested again', { run: 3 }],
  ])('is superseded where the image is %s between a write that fails and its retry', async (_, change) => {
    const meanwhile = (image: Image): Image => ({ ...image, ...change });
    const { job } = openJobOf(generating, { faults: ['rolled back'], meanwhile });
    await expect(inRun(job, 2).advance(revise)).rejects.toThrow(SupersededError);
    expect((await job.read())?.revisedPrompt).toBe(generating.revisedPrompt);
  });

  it('raises TypeError for a step that is not legal', async () => {
    const { job } = openJobOf(generating);
    await expect(inRun(job, 2).advance(() => null)).rejects.toThrow(TypeError);
  });
});
