import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createImaging } from '../../../src/adapters/imaging/finish.ts';
import { createImagingThreads } from '../../../src/adapters/imaging/threads.ts';
import { sha256 } from '../../../src/core/domain/file-names.ts';
import { NO_TRACING } from '../../../src/core/ports/tracer.ts';
import {
  animatedGif,
  animatedWebp,
  cmykJpeg,
  hugePng,
  palettePng,
  rotatedJpeg,
  sixteenBitPng,
  texturedPicture,
  truncated,
} from '../../support/pictures.ts';
import { hugeJpeg, hugeWebp, pngWithProfile } from './bombs.ts';
import { OPTIONS, stripes } from './drawings.ts';

const SIZE = { width: 64, height: 48 };
const { inspect } = createImaging(OPTIONS);

describe('inspect', () => {
  it.each<[string, () => Promise<Uint8Array>, object]>([
    ['a png', () => texturedPicture(SIZE), { format: 'png', hasAlpha: false }],
    ['a png with alpha', () => texturedPicture({ ...SIZE, transparent: true }), { format: 'png', hasAlpha: true }],
    ['a jpeg', () => texturedPicture({ ...SIZE, format: 'jpeg' }), { format: 'jpeg', hasAlpha: false }],
    ['a webp', () => texturedPicture({ ...SIZE, format: 'webp' }), { format: 'webp', hasAlpha: false }],
    ['a cmyk jpeg', () => cmykJpeg(SIZE), { format: 'jpeg' }],
    ['a png with 16 bits', () => sixteenBitPng(SIZE), { format: 'png' }],
    ['a png with a palette', () => palettePng(SIZE), { format: 'png' }],
    ['a png with a profile that is none', async () => withProfile(await palettePng(SIZE)), { format: 'png' }],
    ['a jpeg with odd bytes between its segments', jpegWithOddBytes, { format: 'jpeg' }],
    ['a jpeg that lies on its side, as it is seen', () => rotatedJpeg(SIZE), { format: 'jpeg' }],
    [
      'a jpeg that bytes follow',
      async () => Buffer.concat([await cmykJpeg(SIZE), Buffer.alloc(9)]),
      { format: 'jpeg' },
    ],
    [
      'a png that bytes follow',
      async () => Buffer.concat([await palettePng(SIZE), Buffer.alloc(9)]),
      { format: 'png' },
    ],
  ])('says what %s is', async (_, make, expected) => {
    const bytes = await make();
    const before = Buffer.from(bytes);
    expect(await inspect(bytes)).toMatchObject({ ...SIZE, ...expected, sha256: sha256(before) });
    expect(before.equals(bytes)).toBe(true);
  });

  it.each<[string, () => Promise<Uint8Array> | Uint8Array, RegExp]>([
    ['nothing', () => new Uint8Array(), /empty/],
    [
      'an SVG',
      () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
      /no PNG, JPEG, WebP/,
    ],
    ['a page', () => Buffer.from('<!doctype html><title>Not found</title>'), /no PNG, JPEG, WebP/],
    ['a tiff', () => stripes(64, 48).tiff().toBuffer(), /tiff; only png, jpeg, webp/],
    ['an avif', () => stripes(64, 48).avif({ effort: 0 }).toBuffer(), /avif; only png, jpeg, webp/],
    ['an animated gif', () => animatedGif(SIZE), /gif; only/],
    ['an animated webp', () => animatedWebp(SIZE), /animated/],
    ['an animated png', animatedPng, /animated/],
    ['a bomb', () => hugePng(), /12000x12000/],
    ['a bomb of a jpeg', hugeJpeg, /65500x65500/],
    ['a bomb of a webp', hugeWebp, /broken|more than/],
    ['a png that is cut', async () => truncated(await texturedPicture(SIZE)), /broken/],
    ['a jpeg that is cut', async () => truncated(await texturedPicture({ ...SIZE, format: 'jpeg' })), /broken/],
    ['a webp that is cut', async () => truncated(await texturedPicture({ ...SIZE, format: 'webp' })), /broken/],
    ['a png without its end', async () => (await texturedPicture(SIZE)).subarray(0, -12), /IEND/],
    ['a png whose pixels are damaged', damagedInside, /broken/],
    ['a png without its last rows, though it ends well', pngWithoutRows, /broken/],
    ['a jpeg without its last rows, though it ends well', jpegWithoutRows, /broken/],
    ['a jpeg without its last rows, with odd bytes besides', async () => oddBytesIn(await jpegWithoutRows()), /broken/],
    ['a webp without its last rows, though its header fits', webpWithoutRows, /broken/],
    ['only the head of a png', async () => (await texturedPicture(SIZE)).subarray(0, 40), /broken/],
  ])('refuses %s', async (_, make, detail) => {
    await expect(inspect(await make())).rejects.toMatchObject({
      code: 'invalid_image',
      message: expect.stringMatching(detail),
    });
  });

  it('takes no memory for a profile that unpacks to much', async () => {
    const before = process.memoryUsage().rss;
    await inspect(pngWithProfile(400_000_000)).catch(() => undefined);
    expect(process.memoryUsage().rss - before).toBeLessThan(300_000_000);
  });

  it('goes by the limits of bytes and pixels', async () => {
    const bytes = await texturedPicture(SIZE);
    const limited = (limits: object) => createImaging({ ...OPTIONS, limits }).inspect(bytes);
    await expect(limited({ bytes: bytes.length - 1 })).rejects.toMatchObject({ code: 'invalid_image' });
    await expect(limited({ pixels: 64 * 48 - 1 })).rejects.toMatchObject({ code: 'invalid_image' });
    expect(await limited({ bytes: bytes.length, pixels: 64 * 48 })).toMatchObject(SIZE);
  });

  it('is done on a thread, of a part of a larger buffer too, whose bytes stay', async () => {
    const imaging = createImagingThreads({
      ...OPTIONS,
      pictures: 2,
      threads: 1,
      picturesPerThread: 2,
      signing: null,
      tracer: NO_TRACING,
    });
    onTestFinished(() => imaging.close());
    const picture = await texturedPicture(SIZE);
    const part = Buffer.concat([Buffer.alloc(7), picture, Buffer.alloc(7)]).subarray(7, 7 + picture.length);
    const all = await Promise.all([part, picture, part, picture].map((bytes) => imaging.inspect(bytes)));
    for (const found of all)
      expect(found).toEqual({ ...SIZE, format: 'png', hasAlpha: false, sha256: sha256(picture) });
    expect(picture.equals(part)).toBe(true);
    await expect(imaging.inspect(Buffer.from('<svg/>'))).rejects.toMatchObject({ code: 'invalid_image' });
  });
});

/** A png that says it has two frames. */
async function animatedPng(): Promise<Buffer> {
  const png = await sharp({ create: { ...SIZE, channels: 3, background: '#345' } })
    .png()
    .toBuffer();
  const control = Buffer.from('00000008616354' + '4c0000000200000000f38d9370', 'hex');
  return Buffer.concat([png.subarray(0, 33), control, png.subarray(33)]);
}

/** A png with other bytes in the middle of its pixels. */
async function damagedInside(): Promise<Buffer> {
  const data = await stripes(64, 48).png({ compressionLevel: 0 }).toBuffer();
  const at = data.indexOf('IDAT');
  const damaged = Buffer.from(data);
  damaged.fill(0xff, at + 40, at + 400);
  return damaged;
}

async function pngWithoutRows(): Promise<Buffer> {
  const png = await stripes(64, 48).png().toBuffer();
  const at = png.indexOf('IDAT');
  const length = Math.floor(png.readUInt32BE(at - 4) / 2);
  const body = png.subarray(at, at + 4 + length);
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([png.subarray(0, at - 4), size, body, sum, png.subarray(-12)]);
}

async function jpegWithoutRows(): Promise<Buffer> {
  const jpeg = await texturedPicture({ width: 320, height: 240, format: 'jpeg' });
  return Buffer.concat([truncated(jpeg), Buffer.from('ffd9', 'hex')]);
}

async function webpWithoutRows(): Promise<Buffer> {
  const webp = await stripes(64, 48).webp({ lossless: true }).toBuffer();
  const cut = Buffer.from(webp.subarray(0, 2 * Math.floor(webp.length / 4)));
  cut.writeUInt32LE(cut.length - 8, 4);
  cut.writeUInt32LE(cut.length - 20, 16);
  return cut;
}

/** A png with an iCCP chunk in which no profile is, as some editors write them. */
function withProfile(png: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from('iCCPsRGB\0\0', 'latin1'), deflateSync(Buffer.from('no profile'))]);
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(body.length - 4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([png.subarray(0, 33), size, body, sum, png.subarray(33)]);
}

async function jpegWithOddBytes(): Promise<Buffer> {
  return oddBytesIn(await texturedPicture({ ...SIZE, format: 'jpeg' }));
}

function oddBytesIn(jpeg: Buffer): Buffer {
  const at = jpeg.indexOf('ffc0', 0, 'hex');
  return Buffer.concat([jpeg.subarray(0, at), Buffer.from('112233', 'hex'), jpeg.subarray(at)]);
}
