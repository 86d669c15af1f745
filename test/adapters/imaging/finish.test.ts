import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';
import { ImageError } from '../../../src/core/domain/errors.ts';
import type { FinishedFile } from '../../../src/core/ports/imaging.ts';
import { finishSpec, halves, OPTIONS, pixelAt, stripes } from './drawings.ts';

const imaging = createImaging(OPTIONS);

beforeAll(configureSharp);

describe('the master', () => {
  it.each([
    ['png', () => stripes(320, 200).png()],
    ['jpeg', () => stripes(320, 200).jpeg()],
    ['webp', () => stripes(320, 200).webp()],
    ['png', () => stripes(320, 200).greyscale().png()],
  ] as const)('is the original itself where format and size match (%s)', async (format, make) => {
    const finished = await imaging.finish(await make().toBuffer(), finishSpec({ width: 320, height: 200, format }));
    expect(finished.master).toEqual({ width: 320, height: 200, format, bytes: null, sha256: 'ab'.repeat(32) });
    expect(finished.warnings).toEqual([]);
    expect(new Set(finished.checks.map(({ verdict }) => verdict))).toEqual(new Set(['ok']));
  });

  it.each([
    ['another format', () => stripes(320, 200).jpeg()],
    ['16 bits', () => stripes(320, 200).toColourspace('rgb16').png()],
    ['another profile', () => stripes(320, 200).withIccProfile('p3').png()],
    ['EXIF rotation', () => stripes(320, 200).rotate(270).withMetadata({ orientation: 6 }).png()],
  ] as const)('is encoded again where the original differs: %s', async (_name, make) => {
    const original = await make().toBuffer();
    const { master, warnings } = await imaging.finish(original, finishSpec({ width: 320, height: 200, format: 'png' }));
    const header = await sharp(master.bytes ?? undefined).metadata();
    expect(header).toMatchObject({ format: 'png', width: 320, height: 200, depth: 'uchar', hasProfile: false });
    expect(header.orientation).toBeUndefined();
    // The first stripe keeps its place and colour.
    const [red = 0, green = 0, blue = 0] = await pixelAt(master.bytes, 10, 100);
    expect(Math.max(Math.abs(red - 200), Math.abs(green - 120), Math.abs(blue - 90))).toBeLessThan(10);
    expect(warnings).toEqual([]);
  });

  it('is cropped from the middle and scaled where the original has another shape, with a warning', async () => {
    const original = await halves(400, 400).png().toBuffer();
    const { master, warnings } = await imaging.finish(original, finishSpec({ width: 200, height: 100, format: 'png' }));
    expect(await sharp(master.bytes ?? undefined).metadata()).toMatchObject({ width: 200, height: 100 });
    // Rows 100 to 300 of the original, without the upper and lower quarters in other colours.
    expect(await pixelAt(master.bytes, 100, 2)).toEqual([40, 160, 90]);
    expect(await pixelAt(master.bytes, 100, 97)).toEqual([40, 160, 90]);
    expect(warnings).toEqual([
      { code: 'resized', detail: 'the picture came as 400x400; the middle 400x200 of it became the master of 200x100' },
    ]);
  });

  it('is enlarged with a warning', async () => {
    const { master, warnings } = await imaging.finish(
      await stripes(320, 200).png().toBuffer(),
      finishSpec({ width: 480, height: 300, format: 'webp' }),
    );
    expect(await sharp(master.bytes ?? undefined).metadata()).toMatchObject({
      format: 'webp',
      width: 480,
      height: 300,
    });
    expect(warnings).toEqual([
      { code: 'resized', detail: 'the picture came as 320x200; all of it became the master of 480x300' },
      { code: 'enlarged', detail: 'the master is enlarged 1.50 times from 320x200' },
    ]);
  });
});

describe('renditions', () => {
  it('have exactly the requested sizes and formats, in the requested order', async () => {
    const renditions = [
      { width: 120, height: 67, format: 'png' },
      { width: 16, height: 300, format: 'jpeg' },
      { width: 300, height: 16, format: 'webp' },
      { width: 77, height: 51, format: 'avif' },
    ] as const;
    const finished = await imaging.finish(
      await stripes(640, 400).png().toBuffer(),
      finishSpec({ width: 640, height: 400, format: 'png' }, renditions),
    );
    const found = await Promise.all(
      finished.renditions.map(async (file) => {
        const { width, height, mediaType } = await sharp(file.bytes ?? undefined).metadata();
        return { spec: { width: file.width, height: file.height, format: file.format }, width, height, mediaType };
      }),
    );
    expect(found).toEqual(
      renditions.map((spec) => ({ spec, width: spec.width, height: spec.height, mediaType: `image/${spec.format}` })),
    );
    expect(finished.warnings).toEqual([]);
  });

  it('show what the master shows', async () => {
    const { renditions } = await imaging.finish(
      await halves(400, 400).png().toBuffer(),
      finishSpec({ width: 200, height: 100, format: 'png' }, [{ width: 50, height: 50, format: 'png' }]),
    );
    // Green as in the master; the top of the original would be red.
    expect(await pixelAt(renditions[0]?.bytes, 25, 1)).toEqual([40, 160, 90]);
  });

  it('are enlarged with a warning', async () => {
    const { warnings } = await imaging.finish(
      await stripes(320, 200).png().toBuffer(),
      finishSpec({ width: 320, height: 200, format: 'png' }, [{ width: 400, height: 200, format: 'png' }]),
    );
    expect(warnings).toEqual([
      { code: 'enlarged', detail: 'the rendition 400x200.png is enlarged 1.25 times from 320x160' },
    ]);
  });

  it('are not enlarged where the original has enough pixels, even if the master was scaled down', async () => {
    const { warnings } = await imaging.finish(
      await stripes(640, 400).png().toBuffer(),
      finishSpec({ width: 320, height: 200, format: 'png' }, [{ width: 640, height: 400, format: 'png' }]),
    );
    expect(warnings.map(({ code }) => code)).toEqual(['resized']);
  });
});

describe('deferred renditions', () => {
  const deferred = [
    { width: 90, height: 90, format: 'avif' },
    { width: 60, height: 20, format: 'webp' },
  ] as const;

  it('are not made with the master, but their warnings are', async () => {
    const large = { width: 400, height: 200, format: 'avif' } as const;
    const { renditions, warnings } = await imaging.finish(
      await stripes(320, 200).png().toBuffer(),
      finishSpec({ width: 320, height: 200, format: 'png' }, [], { deferred: [large] }),
    );
    expect(renditions).toEqual([]);
    expect(warnings.map(({ detail }) => detail)).toEqual([
      'the rendition 400x200.avif is enlarged 1.25 times from 320x160',
    ]);
  });

  it.each(['centre', 'attention', 'contain'] as const)('equal those made with the master (%s)', async (crop) => {
    const original = await halves(400, 300).png().toBuffer();
    const master = { width: 200, height: 100, format: 'png' } as const;
    const atOnce = await imaging.finish(original, finishSpec(master, deferred, { crop }));
    const later: FinishedFile[] = [];
    await imaging.finishDeferred(
      original,
      finishSpec(master, [], { crop, deferred }),
      async (file) => void later.push(file),
    );
    expect(later).toEqual(atOnce.renditions);
  });

  it('are handed over one by one, and a failure of the receiver ends the work', async () => {
    const original = await stripes(320, 200).png().toBuffer();
    const seen: number[] = [];
    const work = imaging.finishDeferred(
      original,
      finishSpec({ width: 320, height: 200, format: 'png' }, [], { deferred }),
      async ({ width }) => {
        seen.push(width);
        throw new Error('disk on fire');
      },
    );
    await expect(work).rejects.toThrow('disk on fire');
    expect(seen).toEqual([90]);
  });
});

describe('a refusal', () => {
  it('of a blank picture carries the results of the checks', async () => {
    const blank = await sharp({ create: { width: 320, height: 200, channels: 3, background: '#abc' } })
      .png()
      .toBuffer();
    const error = await imaging
      .finish(blank, finishSpec({ width: 320, height: 200, format: 'png' }))
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ImageError);
    expect(error).toMatchObject({
      code: 'invalid_image',
      message: 'the picture did not pass its checks: uniformity is 0, below 2',
      checks: expect.arrayContaining([{ name: 'uniformity', value: 0, threshold: 2, verdict: 'reject' }]),
    });
  });

  it('does not block the pictures that are queued', async () => {
    const narrow = createImaging({ ...OPTIONS, concurrency: 1 });
    const good = await stripes(320, 200).png().toBuffer();
    const spec = finishSpec({ width: 160, height: 100, format: 'png' });
    const outcomes = await Promise.allSettled([
      narrow.finish(Buffer.from('<html>'), spec),
      narrow.finish(good.subarray(0, 200), spec),
      narrow.finish(good, spec),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  });

  it('follows the configured limits', async () => {
    const strict = createImaging({ ...OPTIONS, limits: { pixels: 320 * 200 - 1 } });
    const good = await stripes(320, 200).png().toBuffer();
    await expect(strict.finish(good, finishSpec({ width: 320, height: 200, format: 'png' }))).rejects.toMatchObject({
      code: 'invalid_image',
    });
  });
});
