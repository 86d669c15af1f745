import { randomFillSync } from 'node:crypto';
import sharp from 'sharp';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';
import { createProvenanceReader } from '../../../src/adapters/provenance/reader.ts';
import { thumbnailSize } from '../../../src/core/domain/geometry.ts';
import { finishSpec, OPTIONS, pixelAt, stripes } from './drawings.ts';

const imaging = createImaging(OPTIONS);

beforeAll(configureSharp);

test.each([
  [
    { width: 1792, height: 1024 },
    { width: 480, height: 274 },
  ],
  [
    { width: 1024, height: 1792 },
    { width: 274, height: 480 },
  ],
  [
    { width: 480, height: 480 },
    { width: 480, height: 480 },
  ],
  [
    { width: 64, height: 16 },
    { width: 64, height: 16 },
  ],
  [
    { width: 4096, height: 16 },
    { width: 480, height: 2 },
  ],
  [
    { width: 4096, height: 1 },
    { width: 480, height: 1 },
  ],
])('the thumbnail of %j has %j', (size, expected) => {
  expect(thumbnailSize(size)).toEqual(expected);
});

/** Pixels of nothing but noise, in all channels. */
function noise(side: number, channels: 3 | 4) {
  const pixels = randomFillSync(Buffer.alloc(side * side * channels));
  return sharp(pixels, { raw: { width: side, height: side, channels } });
}

describe('the thumbnail', () => {
  it('shows the part of the picture that the master shows, and says where it comes from, without the prompt', async () => {
    const spec = finishSpec({ width: 600, height: 300, format: 'png' });
    const provenance = { ...spec.provenance, prompt: 'a lighthouse '.repeat(2_000) };
    const original = await stripes(640, 640).png().toBuffer();
    const { thumbnail } = await imaging.finish(original, { ...spec, provenance });
    const { bytes } = thumbnail;
    const header = await sharp(bytes ?? undefined).metadata();
    expect(header).toMatchObject({ format: 'webp', width: 480, height: 240, hasAlpha: false, hasProfile: false });
    expect([thumbnail.width, thumbnail.height, thumbnail.format]).toEqual([480, 240, 'webp']);
    const [red = 0, green = 0, blue = 0] = await pixelAt(bytes, 30, 120);
    expect(Math.max(Math.abs(red - 200), Math.abs(green - 120), Math.abs(blue - 90))).toBeLessThan(20);
    const { xmp } = await createProvenanceReader({ loadSharp: async () => sharp }).read(bytes ?? Buffer.alloc(0));
    const { mediaId, originalSha256, digitalSourceType } = spec.provenance;
    expect(xmp).toMatchObject({ mediaId, originalSha256, digitalSourceType, prompt: null });
  });

  it.each([3, 4] as const)('has at most 60,000 bytes, of noise with %i channels as well', async (channels) => {
    const original = await noise(600, channels).png().toBuffer();
    const { thumbnail } = await imaging.finish(original, finishSpec({ width: 600, height: 600, format: 'png' }));
    expect(thumbnail.bytes?.byteLength).toBeLessThanOrEqual(60_000);
    const header = await sharp(thumbnail.bytes ?? undefined).metadata();
    expect(header).toMatchObject({ width: 480, height: 480, hasAlpha: channels === 4 });
  });

  it('is the same where it is made afterwards, of the original or of the master', async () => {
    const spec = finishSpec({ width: 320, height: 200, format: 'png' });
    const original = await stripes(320, 200).png().toBuffer();
    const { thumbnail } = await imaging.finish(original, spec);
    expect(thumbnail).toMatchObject({ width: 320, height: 200 });
    for (const isOriginal of [true, false])
      expect(await imaging.thumbnail(original, spec, isOriginal)).toEqual(thumbnail);
  });
});
