import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import {
  animatedGif,
  animatedWebp,
  blankPicture,
  cmykJpeg,
  hugePng,
  palettePng,
  rotatedJpeg,
  sixteenBitPng,
  texturedPicture,
  tinyPng,
  truncated,
} from './pictures.ts';

const size = { width: 320, height: 200 };

test.each(['png', 'jpeg', 'webp'] as const)('a textured %s is what it says, sharp and rich', async (format) => {
  const picture = await texturedPicture({ ...size, format, seed: 'a lighthouse' });
  expect(await sharp(picture).metadata()).toMatchObject({ format, ...size });
  const { entropy, sharpness } = await sharp(picture).stats();
  expect(entropy).toBeGreaterThan(6);
  expect(sharpness).toBeGreaterThan(1);
});

test('every seed gives a rich picture', async () => {
  for (let seed = 0; seed < 50; seed++) {
    const { entropy, channels } = await sharp(await texturedPicture({ ...size, seed: `prompt ${seed}` })).stats();
    expect(entropy).toBeGreaterThan(6);
    for (const { stdev } of channels) expect(stdev).toBeGreaterThan(20);
  }
});

test('the bytes follow from the arguments', async () => {
  const [one, same, other] = await Promise.all([
    texturedPicture({ ...size, seed: 'one' }),
    texturedPicture({ ...size, seed: 'one' }),
    texturedPicture({ ...size, seed: 'other' }),
  ]);
  expect(same.equals(one)).toBe(true);
  expect(other.equals(one)).toBe(false);
});

test('smaller tiles make bigger files', async () => {
  const [noise, tiles] = await Promise.all([texturedPicture({ ...size, tile: 1 }), texturedPicture(size)]);
  expect(noise.length).toBeGreaterThan(4 * tiles.length);
});

test('a transparent one is transparent outside its ellipse only', async () => {
  const { data, info } = await sharp(await texturedPicture({ ...size, transparent: true }))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const alphaAt = (x: number, y: number) => data[(y * info.width + x) * info.channels + 3];
  expect([info.channels, alphaAt(0, 0), alphaAt(160, 100)]).toEqual([4, 0, 255]);
});

describe('odd pictures are what they say', () => {
  test.each([
    ['blank', () => blankPicture(size), { format: 'png', ...size }],
    ['cmyk', () => cmykJpeg(size), { format: 'jpeg', space: 'cmyk', channels: 4, ...size }],
    ['sixteen bits', () => sixteenBitPng(size), { format: 'png', depth: 'ushort', ...size }],
    ['palette', () => palettePng(size), { format: 'png', isPalette: true, ...size }],
    ['rotated', () => rotatedJpeg(size), { format: 'jpeg', orientation: 6, width: 200, height: 320, autoOrient: size }],
    ['gif', () => animatedGif(size), { format: 'gif', pages: 3, width: 320 }],
    ['webp', () => animatedWebp(size, 5), { format: 'webp', pages: 5, width: 320 }],
    ['tiny', () => tinyPng(), { format: 'png', width: 1, height: 1 }],
    ['huge', async () => hugePng(), { format: 'png', width: 12_000, height: 12_000, channels: 3 }],
  ])('%s', async (_, make, expected) => {
    expect(await sharp(await make(), { limitInputPixels: false }).metadata()).toMatchObject(expected);
  });
});

test('a blank picture shows nothing', async () => {
  const { channels } = await sharp(await blankPicture(size)).stats();
  for (const { stdev } of channels) expect(stdev).toBe(0);
});

test('a huge png is sound to its last row, and small', async () => {
  const png = hugePng({ width: 3000, height: 2001 });
  const { data } = await sharp(png, { failOn: 'warning' }).raw().toBuffer({ resolveWithObject: true });
  expect(data.length).toBe(3000 * 2001 * 3);
  expect(data.every((byte) => byte === 0)).toBe(true);
  expect(hugePng().length).toBeLessThan(500_000);
});

test('a truncated picture cannot be decoded, unless only the end marker is missing', async () => {
  const png = await texturedPicture(size);
  await expect(sharp(truncated(png)).raw().toBuffer()).rejects.toThrow();
  expect(truncated(png, png.length - 12).length).toBe(png.length - 12);
  await expect(
    sharp(truncated(png, png.length - 12))
      .raw()
      .toBuffer(),
  ).resolves.toBeInstanceOf(Buffer);
});
