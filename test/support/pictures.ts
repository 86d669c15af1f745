/**
 * Real pictures for tests, made by sharp: sound ones, odd ones and broken ones. The same arguments give the same bytes.
 *
 *     const photo = await texturedPicture({ width: 1792, height: 1024, seed: 'a lighthouse' });
 *     const torn = truncated(photo);
 */

import { crc32, deflateRawSync, constants as zlib } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { randomOf } from './random.ts';

export type PictureFormat = 'png' | 'jpeg' | 'webp';

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

export interface TextureOptions extends PictureSize {
  /** Determines the colours; the same seed gives the same picture. */
  readonly seed?: string;
  readonly format?: PictureFormat;
  /** 1 to 100, for jpeg and webp. */
  readonly quality?: number;
  /** Edge of one tile in pixels, 8 by default. 1 is noise: at 1792x1024 a png of 5.5 MB, where 8 gives 0.4 MB. */
  readonly tile?: number;
  /** With an alpha channel, fully transparent outside an ellipse. */
  readonly transparent?: boolean;
}

/** Cache of encoded textures, oldest first: tests use the same few over and over. */
const painted = new Map<string, Buffer>();
const PAINTED_LIMIT_BYTES = 64 * 1024 * 1024;
let paintedBytes = 0;

/**
 * A picture that passes any sane quality check: a gradient between four colours of different lightness, broken into
 * tiles with hard edges. Entropy is above 6 bits and it is sharp everywhere, also along the borders.
 */
export async function texturedPicture(options: TextureOptions): Promise<Buffer> {
  const { width, height, seed = '', format = 'png', quality = 90, tile = 8, transparent = false } = options;
  const key = JSON.stringify([width, height, seed, format, quality, tile, transparent]);
  const known = painted.get(key);
  if (known) return known;

  const encoded = await encode(texture(width, height, seed, tile, transparent), format, quality);
  // Two calls may have painted the same picture at the same time.
  if (!painted.has(key)) {
    painted.set(key, encoded);
    paintedBytes += encoded.length;
  }
  for (const [oldest, bytes] of painted) {
    if (paintedBytes <= PAINTED_LIMIT_BYTES) break;
    painted.delete(oldest);
    paintedBytes -= bytes.length;
  }
  return encoded;
}

/** One colour all over: sound bytes that show nothing. */
export async function blankPicture(
  options: PictureSize & { readonly format?: PictureFormat; readonly colour?: string },
): Promise<Buffer> {
  const { width, height, format = 'png', colour = '#7f8c8d' } = options;
  return encode(sharp({ create: { width, height, channels: 3, background: colour } }), format, 90);
}

/**
 * The first `length` bytes, 60% by default. For a png, `bytes.length - 12` takes only the end marker away,
 * which sharp does not notice.
 */
export function truncated(bytes: Uint8Array, length = Math.floor(bytes.length * 0.6)): Buffer {
  return Buffer.from(bytes.subarray(0, length));
}

/** A jpeg in CMYK, as print shops send them. */
export async function cmykJpeg(size: PictureSize): Promise<Buffer> {
  return texture(size.width, size.height, 'cmyk').toColourspace('cmyk').jpeg().toBuffer();
}

/** A png with 16 bits per channel. */
export async function sixteenBitPng(size: PictureSize): Promise<Buffer> {
  return texture(size.width, size.height, 'sixteen').toColourspace('rgb16').png().toBuffer();
}

/** A png with a palette of at most 256 colours. */
export async function palettePng(size: PictureSize): Promise<Buffer> {
  return texture(size.width, size.height, 'palette').png({ palette: true, colours: 256 }).toBuffer();
}

/** A jpeg as from a camera held upright: stored on its side, `width` x `height` once its EXIF orientation is applied. */
export async function rotatedJpeg(size: PictureSize): Promise<Buffer> {
  return texture(size.height, size.width, 'rotated').withMetadata({ orientation: 6 }).jpeg().toBuffer();
}

/** A gif of several different frames. */
export async function animatedGif(size: PictureSize, frames = 3): Promise<Buffer> {
  return (await animation(size, frames)).gif({ delay: 100 }).toBuffer();
}

/** A webp of several different frames. */
export async function animatedWebp(size: PictureSize, frames = 3): Promise<Buffer> {
  return (await animation(size, frames)).webp({ delay: 100, effort: 0 }).toBuffer();
}

/** A png of one pixel. */
export async function tinyPng(): Promise<Buffer> {
  return texture(1, 1, 'tiny').png().toBuffer();
}

/**
 * A valid black png of 144 million pixels in 0.4 MB (a decompression bomb) that takes a millisecond to make: a decoder that checks
 * only the file's size needs 432 MB for it.
 */
export function hugePng({ width, height }: PictureSize = { width: 12_000, height: 12_000 }): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB, deflate, no filter, not interlaced
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflatedZeros((1 + width * 3) * height)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

// -------------------------------------------------------------- painting

function texture(width: number, height: number, seed: string, tile = 8, transparent = false): Sharp {
  const columns = Math.ceil(width / tile);
  const rows = Math.ceil(height / tile);
  const channels = transparent ? 4 : 3;
  const tiles = paintTiles(columns, rows, channels, seed);
  const picture = sharp(tiles, { raw: { width: columns, height: rows, channels } });
  return tile === 1 ? picture : picture.resize(width, height, { kernel: 'nearest', fit: 'fill' });
}

function paintTiles(columns: number, rows: number, channels: 3 | 4, seed: string): Buffer {
  const random = randomOf(seed);
  const corners = [30, 85, 140, 195]
    .map((lightness) => ({ order: random(), colour: [0, 1, 2].map(() => lightness + (random() - 0.5) * 60) }))
    .sort((a, b) => a.order - b.order)
    .map(({ colour }) => colour);
  const cornerShade = (corner: number, channel: number) => corners[corner]?.[channel] ?? 0;

  const tiles = Buffer.alloc(columns * rows * channels);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    const down = row / rows;
    for (let column = 0; column < columns; column++) {
      const right = column / columns;
      for (let channel = 0; channel < 3; channel++) {
        const top = cornerShade(0, channel) * (1 - right) + cornerShade(1, channel) * right;
        const bottom = cornerShade(2, channel) * (1 - right) + cornerShade(3, channel) * right;
        const shade = top * (1 - down) + bottom * down + (random() - 0.5) * 60;
        tiles[at++] = Math.min(255, Math.max(0, Math.round(shade)));
      }
      if (channels === 4) tiles[at++] = (2 * right - 1) ** 2 + (2 * down - 1) ** 2 < 0.9 ? 255 : 0;
    }
  }
  return tiles;
}

function encode(picture: Sharp, format: PictureFormat, quality: number): Promise<Buffer> {
  switch (format) {
    case 'png':
      return picture.png({ compressionLevel: 1 }).toBuffer();
    case 'jpeg':
      return picture.jpeg({ quality }).toBuffer();
    case 'webp':
      return picture.webp({ quality, effort: 0 }).toBuffer();
  }
}

async function animation({ width, height }: PictureSize, frames: number): Promise<Sharp> {
  const pictures = Array.from({ length: frames }, (_, index) =>
    texturedPicture({ width, height, seed: `frame ${index}` }),
  );
  return sharp(await Promise.all(pictures), { join: { animated: true } });
}

// --------------------------------------------------------- png, by hand

function pngChunk(type: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(data.length + 12);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  chunk.set(data, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, data.length + 8)), data.length + 8);
  return chunk;
}

/** A zlib stream of `length` zeros, assembled from one fully flushed, and so repeatable, block. */
export function deflatedZeros(length: number): Buffer {
  const blockLength = 1024 * 1024;
  const block = deflateRawSync(Buffer.alloc(blockLength), { finishFlush: zlib.Z_FULL_FLUSH });
  const rest = deflateRawSync(Buffer.alloc(length % blockLength));
  // Adler-32 of zeros: the first sum stays 1 and the second counts the bytes.
  const checksum = Buffer.alloc(4);
  checksum.writeUInt16BE(length % 65_521, 0);
  checksum.writeUInt16BE(1, 2);
  const blocks = Array.from({ length: Math.floor(length / blockLength) }, () => block);
  return Buffer.concat([Buffer.from([0x78, 0x01]), ...blocks, rest, checksum]);
}
