import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { type Picture, readPicture } from '../../../src/adapters/imaging/inspect.ts';
import { makePngChunk } from '../../../src/adapters/imaging/png-chunks.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';
import { NO_CHECKS } from '../../../src/core/domain/checks.ts';
import type { FinishedFile } from '../../../src/core/ports/imaging.ts';
import { finishSpec, pixelAt, stripes } from './drawings.ts';

const LIMITS = { bytes: 1_000_000, pixels: 1_000_000, decodeSeconds: 20 };
const SIZE = { width: 16, height: 16 } as const;

beforeAll(configureSharp);

type Rgb = readonly [number, number, number];
const flat = ([r, g, b]: Rgb): Sharp => sharp({ create: { ...SIZE, channels: 3, background: { r, g, b } } });
const GREY: Rgb = [128, 128, 128];
/** Grey 128 as light is grey 188 in sRGB. */
const LIGHT = 188;

const u32 = (...values: number[]) => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
};
const gAMA = (value: number) => makePngChunk('gAMA', u32(value));
const cHRM = (...values: number[]) => makePngChunk('cHRM', u32(...values));
const cICP = (...values: number[]) => makePngChunk('cICP', Buffer.from(values));
const iCCP = (profile: Buffer) =>
  makePngChunk('iCCP', Buffer.concat([Buffer.from('profile\0\0', 'latin1'), deflateSync(profile)]));
const sRGB = makePngChunk('sRGB', Buffer.from([0]));
const SRGB_CHRM = cHRM(31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000);
const P3_CHRM = cHRM(31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000);
const P3_CICP = cICP(12, 13, 0, 1);
const P3_PROFILE = (await sharp(await flat(GREY).withIccProfile('p3').png().toBuffer()).metadata()).icc as Buffer;
const broken = (chunk: Buffer) => {
  const copy = Buffer.from(chunk);
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
  return copy;
};
/** The PNG with chunks after its header. */
const withChunks = (png: Buffer, ...chunks: Buffer[]) =>
  Buffer.concat([png.subarray(0, 33), ...chunks, png.subarray(33)]);

async function firstPixel(png: Buffer): Promise<number[]> {
  const { pixels, channels } = await readPicture(png, LIMITS);
  return [...pixels.subarray(0, channels)];
}

function expectNear(actual: readonly number[], expected: readonly number[], tolerance = 1): void {
  expect(actual).toHaveLength(expected.length);
  const far = Math.max(...actual.map((value, index) => Math.abs(value - (expected[index] ?? 0))));
  expect(far, `${actual} for ${expected}`).toBeLessThanOrEqual(tolerance);
}

describe('gAMA', () => {
  const greyAlpha = () => flat(GREY).toColourspace('b-w').ensureAlpha(0.5);
  const deepGreyAlpha = () =>
    sharp(new Uint16Array(512).fill(0x8080), { raw: { ...SIZE, channels: 2 } }).toColourspace('grey16');

  it.each<[string, () => Sharp, colourType: number, depth: number, alpha?: number]>([
    ['RGB', () => flat(GREY).png(), 2, 8],
    ['16-bit RGB', () => flat(GREY).toColourspace('rgb16').png(), 2, 16],
    ['RGBA', () => flat(GREY).ensureAlpha(0.5).png(), 6, 8, 127],
    ['16-bit RGBA', () => flat(GREY).ensureAlpha(0.5).toColourspace('rgb16').png(), 6, 16, 127],
    ['a palette', () => flat(GREY).png({ palette: true }), 3, 8],
    ['interlaced RGB', () => flat(GREY).png({ progressive: true }), 2, 8],
    ['grey', () => flat(GREY).toColourspace('b-w').png(), 0, 8],
    ['16-bit grey', () => flat(GREY).toColourspace('grey16').png(), 0, 16],
    ['grey with alpha', () => greyAlpha().png(), 4, 8, 127],
    ['16-bit grey with alpha', () => deepGreyAlpha().png(), 4, 16, 128],
  ])('of linear light makes grey 128 grey 188: %s', async (_name, make, colourType, depth, alpha) => {
    const png = await make().toBuffer();
    expect([png[25], png[24]]).toEqual([colourType, depth]);
    const linear = withChunks(png, gAMA(100_000));
    expectNear(await firstPixel(linear), [LIGHT, LIGHT, LIGHT, ...(alpha === undefined ? [] : [alpha])]);
    expect(await readPicture(linear, LIMITS)).toMatchObject({ plain: false, warnings: [] });
  });

  it.each(['rgb', 'grey'] as const)('keeps every shade, in 8 and 16 bits (%s)', async (kind) => {
    const channels = kind === 'rgb' ? 3 : 1;
    const ramp = Array.from({ length: 256 * channels }, (_, at) => Math.floor(at / channels));
    for (const deep of [false, true]) {
      const raw = deep ? Uint16Array.from(ramp, (value) => 257 * value) : Uint8Array.from(ramp);
      const space = kind === 'rgb' ? (deep ? 'rgb16' : 'srgb') : deep ? 'grey16' : 'b-w';
      const png = await sharp(raw, { raw: { width: 256, height: 1, channels } })
        .toColourspace(space)
        .png()
        .toBuffer();
      for (const gamma of [100_000, 55_556, 25_000]) {
        const picture = await readPicture(withChunks(png, gAMA(gamma)), LIMITS);
        const shades = Array.from({ length: 256 }, (_, at) => picture.pixels[at * picture.channels] ?? 0);
        const expected = Array.from({ length: 256 }, (_, at) => {
          const light = (at / 255) ** (100_000 / gamma);
          return 255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);
        });
        // lcms interpolates 16-bit colours in a table.
        expectNear(shades, expected, deep && kind === 'rgb' ? 1.5 : 1);
      }
    }
  });

  it.each([45_455, 45_450, 45_500])('of sRGB leaves the original the master (%i)', async (gamma) => {
    const png = withChunks(await stripes(320, 200).png().toBuffer(), gAMA(gamma), SRGB_CHRM);
    const imaging = createImaging({ checks: NO_CHECKS });
    const { master, warnings } = await imaging.finish(png, finishSpec({ width: 320, height: 200, format: 'png' }));
    expect({ bytes: master.bytes, warnings }).toEqual({ bytes: null, warnings: [] });
  });

  it.each<[string, Buffer]>([
    ['0', gAMA(0)],
    ['1', gAMA(1)],
    ['beyond the range of PNG', gAMA(4_294_967_295)],
    ['too short', makePngChunk('gAMA', Buffer.from([1]))],
    ['empty', makePngChunk('gAMA', Buffer.alloc(0))],
    ['with a wrong checksum', broken(gAMA(100_000))],
  ])('means nothing where it is %s', async (_name, chunk) => {
    expect(await firstPixel(withChunks(await flat(GREY).png().toBuffer(), chunk))).toEqual([...GREY]);
  });

  it('means nothing after the palette or the pixels', async () => {
    const png = await flat(GREY).png().toBuffer();
    const behind = Buffer.concat([png.subarray(0, -12), gAMA(100_000), png.subarray(-12)]);
    expect(await firstPixel(behind)).toEqual([...GREY]);
    const palette = await flat(GREY).png({ palette: true }).toBuffer();
    const at = palette.indexOf('IDAT') - 4;
    expect(await firstPixel(Buffer.concat([palette.subarray(0, at), gAMA(100_000), palette.subarray(at)]))).toEqual([
      ...GREY,
    ]);
  });
});

describe('cICP and cHRM', () => {
  const colours: readonly Rgb[] = [
    [255, 0, 0],
    [200, 60, 30],
    [90, 140, 70],
    [10, 20, 30],
  ];

  it.each(colours)('of P3 give what its profile gives (%i, %i, %i)', async (...colour) => {
    const png = await flat(colour).png().toBuffer();
    const expected = await firstPixel(withChunks(png, iCCP(P3_PROFILE)));
    expectNear(await firstPixel(withChunks(png, P3_CICP)), expected);
    expectNear(await firstPixel(withChunks(png, P3_CHRM)), expected);
    expectNear(await firstPixel(withChunks(png, P3_CHRM, gAMA(45_455))), expected);
    const deep = await flat(colour).toColourspace('rgb16').png().toBuffer();
    // lcms interpolates 16-bit colours in a table.
    expectNear(await firstPixel(withChunks(deep, P3_CICP)), await firstPixel(withChunks(deep, iCCP(P3_PROFILE))), 2);
  });

  it('bring every white to white, and keep sRGB primaries under the curve of BT.709', async () => {
    const white = await flat([255, 255, 255]).png().toBuffer();
    for (const primaries of [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22]) {
      expectNear(await firstPixel(withChunks(white, cICP(primaries, 13, 0, 1))), [255, 255, 255]);
    }
    for (const transfer of [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17]) {
      expectNear(await firstPixel(withChunks(white, cICP(1, transfer, 0, 1))), [255, 255, 255]);
    }
    // ((0.5 + 0.099) / 1.099) ** (1 / 0.45) is 0.2597 of white.
    expectNear(await firstPixel(withChunks(await flat(GREY).png().toBuffer(), cICP(1, 1, 0, 1))), [140, 140, 140], 2);
  });

  it('of narrow range spread 16 to 235', async () => {
    const narrow = cICP(1, 13, 0, 0);
    expectNear(await firstPixel(withChunks(await flat([235, 16, 126]).png().toBuffer(), narrow)), [255, 0, 128]);
    // In 16 bits white is 235 * 256, 60,160; as full range scaled to 8 bits it would be 234, a shade below white.
    for (const [signal, shade] of [
      [16 * 256, 0],
      [60_160, 255],
      [60_160 - 256, 254],
    ] as const) {
      const raw = { raw: { ...SIZE, channels: 1 } } as const;
      const grey = await sharp(new Uint16Array(256).fill(signal), raw).toColourspace('grey16').png().toBuffer();
      expect(await firstPixel(withChunks(grey, narrow))).toEqual([shade, shade, shade]);
    }
  });

  it.each([
    ['PQ', 16, 148],
    ['HLG', 18, 191],
  ] as const)('of %s bring the white of a page to white, with a warning', async (_name, transfer, white) => {
    const read = async (value: number) =>
      readPicture(withChunks(await flat([value, value, value]).png().toBuffer(), cICP(9, transfer, 0, 1)), LIMITS);
    const shade = ({ pixels }: Picture) => pixels[0] ?? 0;
    expect(shade(await read(white))).toBeGreaterThan(250);
    expect(shade(await read(255))).toBe(255);
    expect(shade(await read(100))).toBeGreaterThan(50);
    expect(shade(await read(100))).toBeLessThan(170);
    expect((await read(white)).warnings).toMatchObject([{ code: 'highlights_clipped' }]);
  });

  it.each<[string, Buffer]>([
    ['unknown primaries', cICP(99, 13, 0, 1)],
    ['an unspecified transfer', cICP(12, 2, 0, 1)],
    ['a matrix, which PNG does not have', cICP(12, 13, 1, 1)],
    ['a range that does not exist', cICP(12, 13, 0, 7)],
    ['too few bytes', cICP(12, 13)],
    ['a wrong checksum', broken(P3_CICP)],
    ['chromaticities of 0', cHRM(0, 0, 0, 0, 0, 0, 0, 0)],
    ['chromaticities beyond all colours', cHRM(31_270, 32_900, 4_000_000_000, 1, 2, 3, 4, 5)],
    ['primaries on one line', cHRM(31_270, 32_900, 10_000, 10_000, 20_000, 20_000, 30_000, 30_000)],
    ['too few chromaticities', cHRM(31_270, 32_900)],
  ])('mean nothing with %s', async (_name, chunk) => {
    expect(await firstPixel(withChunks(await flat([200, 60, 30]).png().toBuffer(), chunk))).toEqual([200, 60, 30]);
  });
});

describe('the order of precedence', () => {
  const p3 = [217, 42, 0];
  it.each<[string, readonly Buffer[], readonly number[]]>([
    ['cICP before a profile', [cICP(1, 13, 0, 1), iCCP(P3_PROFILE)], [200, 60, 30]],
    ['cICP before sRGB and gAMA', [P3_CICP, sRGB, gAMA(100_000)], p3],
    ['a profile before gAMA and cHRM', [iCCP(P3_PROFILE), gAMA(100_000), SRGB_CHRM], p3],
    ['sRGB before gAMA and cHRM', [sRGB, gAMA(100_000), P3_CHRM], [200, 60, 30]],
    ['gAMA where the profile is broken', [iCCP(Buffer.from('no profile')), gAMA(45_455), P3_CHRM], p3],
    ['a profile where cICP is unknown', [cICP(99, 99, 0, 1), iCCP(P3_PROFILE)], p3],
    ['the first of two', [gAMA(45_455), gAMA(100_000)], [200, 60, 30]],
  ])('is that of PNG: %s', async (_name, chunks, expected) => {
    expectNear(await firstPixel(withChunks(await flat([200, 60, 30]).png().toBuffer(), ...chunks)), expected);
  });
});

describe('master and renditions', () => {
  const files = [
    { ...SIZE, format: 'png' },
    { ...SIZE, format: 'webp' },
    { ...SIZE, format: 'avif' },
    { ...SIZE, format: 'jpeg' },
  ] as const;

  it.each<[string, () => Sharp, Buffer, Rgb]>([
    ['grey under gAMA', () => flat(GREY), gAMA(100_000), [LIGHT, LIGHT, LIGHT]],
    ['P3 by cICP', () => flat([150, 100, 90]), P3_CICP, [158, 98, 88]],
  ])('show the same colours, deferred ones too: %s', async (_name, make, chunk, expected) => {
    const original = withChunks(await make().png().toBuffer(), chunk);
    const imaging = createImaging({ checks: NO_CHECKS });
    const spec = finishSpec({ ...SIZE, format: 'png' }, files, { deferred: files });
    const { master, renditions, warnings } = await imaging.finish(original, spec);
    const deferred: FinishedFile[] = [];
    await imaging.finishDeferred(original, spec, async (file) => void deferred.push(file));
    for (const { bytes, format } of [master, ...renditions, ...deferred]) {
      expectNear(await pixelAt(bytes, 8, 8), expected, format === 'png' ? 1 : 3);
      // No chunk that would shift the colours once more.
      for (const name of ['gAMA', 'cICP', 'iCCP']) expect(Buffer.from(bytes ?? []).includes(name)).toBe(false);
    }
    expect(warnings).toEqual([]);
  });
});
