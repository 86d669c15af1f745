import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { type DecodeLimits, type Picture, readPicture } from '../../../src/adapters/imaging/inspect.ts';
import { configureSharp } from '../../../src/adapters/imaging/sharp.ts';

const LIMITS: DecodeLimits = { bytes: 1_000_000, pixels: 1_000_000, decodeSeconds: 20 };
const WIDTH = 64;
const HEIGHT = 32;
/** Top left, top right, bottom left, bottom right. The colours are within the gamut of CMYK. */
const CORNERS = [
  [190, 90, 85],
  [90, 150, 100],
  [90, 110, 160],
  [215, 200, 150],
] as const;

beforeAll(configureSharp);

describe('readPicture converts to upright 8-bit sRGB', () => {
  const variants: readonly (readonly [string, () => Sharp, { readonly plain: boolean }])[] = [
    ['png', () => quarters().png(), { plain: true }],
    ['interlaced png', () => quarters().png({ progressive: true }), { plain: true }],
    ['png with a palette', () => quarters().png({ palette: true, colours: 8 }), { plain: true }],
    ['png with an sRGB profile', () => quarters().withIccProfile('srgb').png(), { plain: true }],
    ['16-bit png', () => quarters().toColourspace('rgb16').png(), { plain: false }],
    ['png in Display P3', () => quarters().withIccProfile('p3').png(), { plain: false }],
    ['16-bit png in Display P3', () => quarters().toColourspace('rgb16').withIccProfile('p3').png(), { plain: false }],
    [
      '16-bit sRGB png with a profile',
      () => quarters().toColourspace('rgb16').withIccProfile('srgb').png(),
      { plain: false },
    ],
    ['jpeg', () => quarters().jpeg(JPEG), { plain: true }],
    ['progressive jpeg', () => quarters().jpeg({ ...JPEG, progressive: true }), { plain: true }],
    ['CMYK jpeg', () => quarters().toColourspace('cmyk').jpeg(JPEG), { plain: false }],
    ['webp', () => quarters().webp({ quality: 98 }), { plain: true }],
    ['lossless webp', () => quarters().webp({ lossless: true }), { plain: true }],
    ['avif', () => quarters().avif({ quality: 90, effort: 0 }), { plain: true }],
    ['still gif', () => quarters().gif(), { plain: true }],
    ['tiff', () => quarters().tiff({ compression: 'lzw' }), { plain: true }],
    ['CMYK tiff', () => quarters().toColourspace('cmyk').tiff(), { plain: false }],
  ];

  it.each(variants)('%s', async (_name, make, { plain }) => {
    const picture = await readPicture(await make().toBuffer(), LIMITS);
    expect(picture).toMatchObject({ width: WIDTH, height: HEIGHT, transparent: false, plain });
    expectCorners(picture, CORNERS);
  });

  it('a view into a larger buffer', async () => {
    const png = await quarters().png().toBuffer();
    const pool = Buffer.concat([Buffer.alloc(7), png, Buffer.alloc(7)]);
    const picture = await readPicture(new Uint8Array(pool.buffer, pool.byteOffset + 7, png.length), LIMITS);
    expect(picture).toMatchObject({ plain: true, warnings: [] });
    expectCorners(picture, CORNERS);
  });

  it.each([2, 3, 4, 5, 6, 7, 8])('jpeg with EXIF orientation %i', async (orientation) => {
    // Stored rotated the opposite way, so that applying the orientation makes it upright.
    const turned = await store(orientation);
    const bytes = await turned.withMetadata({ orientation }).jpeg(JPEG).toBuffer();
    const picture = await readPicture(bytes, LIMITS);
    expect(picture).toMatchObject({ width: WIDTH, height: HEIGHT, plain: false });
    expectCorners(picture, CORNERS);
  });

  it.each([
    ['grey png', () => quarters().greyscale().png(), true],
    ['16-bit grey png', () => quarters().toColourspace('grey16').png(), false],
    ['grey jpeg', () => quarters().greyscale().jpeg(JPEG), true],
  ] as const)('%s', async (_name, make, plain) => {
    const picture = await readPicture(await make().toBuffer(), LIMITS);
    expect(picture).toMatchObject({ channels: 3, plain });
    const [red, green, blue] = cornersOf(picture)[0] ?? [];
    expect(red).toBe(green);
    expect(green).toBe(blue);
    expect(red).toBeGreaterThan(80);
    expect(red).toBeLessThan(140);
  });

  it('keeps alpha, and reports transparency only where a pixel is not opaque', async () => {
    const hole = { create: { width: 8, height: 8, channels: 4, background: '#000' } } as const;
    const cut = quarters()
      .ensureAlpha()
      .composite([{ input: hole, blend: 'dest-out', left: 30, top: 10 }]);
    const transparent = await readPicture(await cut.png().toBuffer(), LIMITS);
    expect(transparent).toMatchObject({ channels: 4, transparent: true, plain: true });
    expect(transparent.pixels[(12 * WIDTH + 33) * 4 + 3]).toBe(0);
    const opaque = await readPicture(await quarters().ensureAlpha().png().toBuffer(), LIMITS);
    expect(opaque).toMatchObject({ channels: 3, transparent: false, plain: true });
  });

  it('does not report a picture as plain when bytes follow its end', async () => {
    const bytes = Buffer.concat([await quarters().png().toBuffer(), Buffer.from('<script>')]);
    expect(await readPicture(bytes, LIMITS)).toMatchObject({ plain: false });
  });
});

describe('readPicture refuses', () => {
  it.each(['gif', 'webp'] as const)('an animated %s', async (format) => {
    const frames = [await quarters().png().toBuffer(), await quarters().negate().png().toBuffer()];
    const bytes = await sharp(frames, { join: { animated: true } })
      .toFormat(format)
      .toBuffer();
    await expect(readPicture(bytes, LIMITS)).rejects.toThrow(`the picture is an animated ${format}`);
  });

  it('more bytes than the limit', async () => {
    const bytes = await quarters().png().toBuffer();
    await expect(readPicture(bytes, { ...LIMITS, bytes: bytes.length })).resolves.toBeDefined();
    await expect(readPicture(bytes, { ...LIMITS, bytes: bytes.length - 1 })).rejects.toThrow('bytes, more than');
  });

  it('a picture that takes longer to decode than the limit', async () => {
    const slow = await sharp({ create: { width: 3_000, height: 3_000, channels: 3, background: '#123456' } })
      .png({ progressive: true, compressionLevel: 1 })
      .toBuffer();
    const limits = { bytes: slow.length, pixels: 36_000_000, decodeSeconds: 0.01 };
    await expect(readPicture(slow, limits)).rejects.toThrow('could not be decoded within 0.01 s');
  });

  it('more pixels than the limit, without decoding them', async () => {
    const bomb = await sharp({ create: { width: 9_000, height: 9_000, channels: 3, background: '#123456' } })
      .png()
      .toBuffer();
    const before = process.memoryUsage.rss();
    const limits = { ...LIMITS, bytes: bomb.length, pixels: 64_000_000 };
    await expect(readPicture(bomb, limits)).rejects.toThrow('the picture is 9000x9000, more than 64000000 pixels');
    // Decoded, it would take 243 MB.
    expect(process.memoryUsage.rss() - before).toBeLessThan(100_000_000);
  });

  it('one pixel more than the limit, and reads a picture of exactly the limit', async () => {
    const bytes = await quarters().png().toBuffer();
    const limits = { ...LIMITS, pixels: WIDTH * HEIGHT };
    await expect(readPicture(bytes, limits)).resolves.toBeDefined();
    await expect(readPicture(bytes, { ...limits, pixels: WIDTH * HEIGHT - 1 })).rejects.toThrow(
      'more than 2047 pixels',
    );
  });

  const formats: readonly (readonly [string, (image: Sharp) => Sharp])[] = [
    ['png', (image) => image.png()],
    ['interlaced png', (image) => image.png({ progressive: true })],
    ['png with a palette', (image) => image.png({ palette: true })],
    ['jpeg', (image) => image.jpeg()],
    ['progressive jpeg', (image) => image.jpeg({ progressive: true })],
    ['jpeg with an EXIF block', (image) => image.withMetadata({ orientation: 6 }).jpeg()],
    ['webp', (image) => image.webp()],
    ['lossless webp', (image) => image.webp({ lossless: true })],
    ['webp with alpha', (image) => image.ensureAlpha(0.5).webp()],
    ['avif', (image) => image.avif({ effort: 0 })],
    ['gif', (image) => image.gif()],
    ['tiff', (image) => image.tiff()],
    ['tiff without compression', (image) => image.tiff({ compression: 'none' })],
    ['tiff by LZW', (image) => image.tiff({ compression: 'lzw' })],
    ['tiled tiff', (image) => image.tiff({ compression: 'deflate', tile: true })],
  ];

  // Where the cut takes nothing of the pixels, the picture is repaired: then every pixel has to be the same.
  it.each(formats)('a %s truncated anywhere, unless its pixels are all there', async (_name, make) => {
    const bytes = await make(textured()).toBuffer();
    const { pixels } = await readPicture(bytes, LIMITS);
    const cuts = cutsOf(bytes.length);
    // All at once: one after the other, each would wait for its turn on a busy machine.
    const outcomes = await Promise.allSettled(cuts.map((length) => readPicture(bytes.subarray(0, length), LIMITS)));
    let repaired = 0;
    for (const [index, outcome] of outcomes.entries()) {
      const name = `${cuts[index]} of ${bytes.length} bytes`;
      if (outcome.status === 'rejected') {
        expect(outcome.reason, name).toMatchObject({ name: 'ImageError', code: 'invalid_image' });
        continue;
      }
      repaired += 1;
      expect(outcome.value, name).toMatchObject({ plain: false, warnings: [{ code: 'repaired' }] });
      expect(outcome.value.pixels.equals(pixels), name).toBe(true);
    }
    // The last bytes at most hold no pixels.
    expect(repaired).toBeLessThan(20);
  });
});

const JPEG = { quality: 100, chromaSubsampling: '4:4:4' } as const;

/** Lengths to cut a file of `size` bytes to: each of the last 40, and some 150 over the whole of it. */
function cutsOf(size: number): number[] {
  const step = Math.max(1, Math.floor(size / 150));
  const cuts: number[] = [];
  for (let length = size - 1; length >= 0; length -= length > size - 40 ? 1 : step) cuts.push(length);
  return cuts;
}

/** A picture with another colour in each quarter. */
function quarters(): Sharp {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 3);
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) {
      const corner = CORNERS[(y < HEIGHT / 2 ? 0 : 2) + (x < WIDTH / 2 ? 0 : 1)] ?? CORNERS[0];
      pixels.set(corner, (y * WIDTH + x) * 3);
    }
  }
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}

/** A gradient under noise, so that no two rows are alike. */
function textured(): Sharp {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 3);
  for (let at = 0, state = 1; at < pixels.length; at += 1) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff;
    pixels[at] = (at % 190) + ((state >> 16) & 63);
  }
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}

/** The quarters as a camera stores them with this EXIF orientation (EXIF 2.32, 4.6.4). */
async function store(orientation: number): Promise<Sharp> {
  const steps: Record<number, (image: Sharp) => Sharp> = {
    2: (image) => image.flop(),
    3: (image) => image.rotate(180),
    4: (image) => image.flip(),
    5: (image) => image.rotate(270).flip(),
    6: (image) => image.rotate(270),
    7: (image) => image.rotate(90).flip(),
    8: (image) => image.rotate(90),
  };
  const step = steps[orientation];
  if (!step) throw new RangeError(`no orientation ${orientation}`);
  // sharp flips before it rotates, in whatever order they are called, so this takes two passes.
  if (orientation === 5 || orientation === 7) {
    const turned = await quarters()
      .rotate(orientation === 5 ? 270 : 90)
      .png()
      .toBuffer();
    return sharp(turned).flip();
  }
  return sharp(await step(quarters()).png().toBuffer());
}

function cornersOf({ width, height, channels, pixels }: Picture): number[][] {
  const inset = 6;
  return [
    [inset, inset],
    [width - inset, inset],
    [inset, height - inset],
    [width - inset, height - inset],
  ].map(([x = 0, y = 0]) => [...pixels.subarray((y * width + x) * channels, (y * width + x) * channels + 3)]);
}

function expectCorners(picture: Picture, expected: readonly (readonly number[])[]): void {
  const far = cornersOf(picture).map((corner, index) =>
    Math.max(...corner.map((value, channel) => Math.abs(value - (expected[index]?.[channel] ?? 0)))),
  );
  expect(Math.max(...far), JSON.stringify(cornersOf(picture))).toBeLessThanOrEqual(12);
}
