import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { Image } from '../../../src/core/domain/image.ts';
import { createOpenJob, inRun, SupersededError } from '../../../src/core/pipeline/job.ts';
import { NO_TRACING } from '../../../src/core/ports/tracer.ts';
import { exampleImage } from '../../support/app/fake-images.ts';
import { createTestClock } from '../../support/test-clock.ts';

const generating: Image = { ...exampleImage(), mediaId: 'x', status: 'generating', run: 2 };

/** A job of an image that is stored like this; the first `refusals` writes find the disk full. */
function setUp(image: Image | null, { refusals = 0 } = {}) {
  const published: (Image | null)[] = [];
  const stages: unknown[] = [];
  const lines: Record<string, unknown>[] = [];
  const clock = createTestClock();
  let stored = image;
  let left = refusals;
  const openJob = createOpenJob({
    records: {
      get: async () => stored,
      async update(_mediaId, change) {
        if (left-- > 0) throw new ImageError('storage_full', 'the disk is full');
        stored = stored && (change(stored) ?? stored);
        return stored;
      },
    },
    events: { publish: (_mediaId, latest) => void published.push(latest) },
    telemetry: { stage: (stage, seconds) => void stages.push([stage, seconds]) },
    tracer: NO_TRACING,
    clock,
    log: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
  const { signal } = new AbortController();
  const job = openJob('x', { cancelled: signal, draining: signal, stopping: signal });
  return { job, clock, published, stages, lines };
}

const withSeed = (image: Image): Image => ({ ...image, revisedPrompt: 'changed' });

describe('a job', () => {
  it('publishes a change once it is stored, and what is stored where nothing changes', async () => {
    const { job, published } = setUp(generating);
    const changed = await job.change(withSeed);
    expect(changed).toEqual({ ...generating, revisedPrompt: 'changed' });
    await job.change(() => null);
    expect(published).toEqual([changed, changed]);
  });

  it('publishes null for a deleted image, and nothing for a cancelled one', async () => {
    const deleted = setUp(null);
    expect([await deleted.job.change(withSeed), deleted.published]).toEqual([null, [null]]);
    const cancelled = setUp({ ...generating, status: 'cancelled' });
    await cancelled.job.change(withSeed);
    expect(cancelled.published).toEqual([]);
  });

  it('retries a change while the storage fails, and logs it with the mediaId', async () => {
    const { job, clock, lines } = setUp(generating, { refusals: 2 });
    expect((await job.change(withSeed))?.revisedPrompt).toBe('changed');
    expect(clock.slept).toEqual([500, 1000]);
    expect(lines.map(({ mediaId, code, waitMs }) => [mediaId, code, waitMs])).toEqual([
      ['x', 'storage_full', 500],
      ['x', 'storage_full', 1000],
    ]);
  });

  it('measures a stage in seconds, also one that fails', async () => {
    const { job, clock, stages } = setUp(generating);
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
    const { job } = setUp(generating);
    expect((await inRun(job, 2).advance(withSeed)).revisedPrompt).toBe('changed');
  });

  it.each([
    ['in another run', { ...generating, run: 3 }],
    ['cancelled', { ...generating, status: 'cancelled' as const }],
    ['deleted', null],
  ])('changes nothing of an image that is %s', async (_, image) => {
    const { job } = setUp(image);
    await expect(inRun(job, 2).advance(withSeed)).rejects.toThrow(SupersededError);
    expect(await job.read()).toEqual(image);
  });

  it('raises TypeError for a step that is not legal', async () => {
    const { job } = setUp(generating);
    await expect(inRun(job, 2).advance(() => null)).rejects.toThrow(TypeError);
  });
});
