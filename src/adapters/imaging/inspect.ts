import { setTimeout as delay } from 'node:timers/promises';
import sharp, { type CreateRaw, type Metadata } from 'sharp';
import { ImageError } from '../../core/domain/errors.ts';
import { formatSize, type Size } from '../../core/domain/geometry.ts';
import { type Container, type PictureFormat, readContainer } from './container.ts';

/** A picture beyond one of these limits is refused. */
export interface DecodeLimits {
  readonly bytes: number;
  /** Width times height. */
  readonly pixels: number;
  readonly decodeSeconds: number;
}

/** A decoded original: upright, 8-bit sRGB, every pixel read. */
export interface Picture extends Size {
  readonly format: PictureFormat;
  /** Rows from the top; three bytes per pixel, or four with alpha. */
  readonly pixels: Buffer;
  readonly channels: 3 | 4;
  /** True when any pixel is less than opaque. */
  readonly transparent: boolean;
  /** True when the original's bytes can be published as they are: intact, 8-bit sRGB or grey, upright, one frame. */
  readonly plain: boolean;
}

/**
 * Decodes an original completely. Converts CMYK, 16 bits, palettes, other colour profiles, EXIF rotation and interlacing.
 * Raises only `ImageError` with `invalid_image`: for animations, unknown formats, truncated or broken files, and pictures
 * beyond the limits. Bytes and pixels are checked before anything is decoded.
 */
export async function readPicture(bytes: Uint8Array, limits: DecodeLimits): Promise<Picture> {
  if (bytes.byteLength > limits.bytes) {
    throw invalidImage(`the picture has ${bytes.byteLength} bytes, more than ${limits.bytes}`);
  }
  const container = readContainer(bytes);
  const header = await readHeader(bytes);
  refuseByHeader(container, header, limits);
  const { data, info } = await decode(bytes, header, limits);
  const channels = info.channels === 4 ? 4 : 3;
  const raw = { width: info.width, height: info.height, channels } as const;
  return {
    format: container.format,
    width: info.width,
    height: info.height,
    pixels: data,
    channels,
    transparent: channels === 4 && !(await isOpaque(data, raw)),
    plain: isPlain(container, header),
  };
}

async function readHeader(bytes: Uint8Array): Promise<Metadata> {
  try {
    // No pixel is decoded here; `refuseByHeader` applies the limit, with a better message.
    return await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (cause) {
    throw brokenPicture(cause);
  }
}

function refuseByHeader(container: Container, header: Metadata, limits: DecodeLimits): void {
  const frames = header.pages ?? 1;
  const framed = container.format === 'gif' || container.format === 'webp';
  if (container.animated || (framed && frames > 1)) {
    throw invalidImage(`the picture is an animated ${container.format}; only still pictures can be used`);
  }
  if (header.width * header.height > limits.pixels) {
    throw invalidImage(`the picture is ${formatSize(header)}, more than ${limits.pixels} pixels`);
  }
}

async function decode(bytes: Uint8Array, header: Metadata, limits: DecodeLimits) {
  let image = sharp(bytes, { autoOrient: true, failOn: 'warning', limitInputPixels: limits.pixels }).toColourspace(
    'srgb',
  );
  // sharp converts 16-bit pixels with a profile to Display P3 first; this converts them on to sRGB.
  if (header.depth === 'ushort' && header.hasProfile) image = image.withIccProfile('srgb', { attach: false });
  // A late decode is abandoned, not stopped; the pixel limit bounds how long it runs on. sharp's own timeout kills the
  // decoder, which sometimes ends in a deadlock or an abort of the process (seen with interlaced png).
  const late = new AbortController();
  const tooLate = delay(limits.decodeSeconds * 1000, undefined, { signal: late.signal }).then(() => {
    throw invalidImage(`the picture could not be decoded within ${limits.decodeSeconds} s`);
  });
  const decoded = image
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw brokenPicture(cause);
    });
  try {
    return await Promise.race([decoded, tooLate]);
  } finally {
    late.abort();
    tooLate.catch(() => undefined);
    decoded.catch(() => undefined);
  }
}

async function isOpaque(data: Buffer, raw: CreateRaw): Promise<boolean> {
  const alpha = await sharp(data, { raw }).extractChannel('alpha').raw().toBuffer();
  // Compared natively, which is faster than a loop.
  return alpha.equals(Buffer.alloc(alpha.length, 255));
}

function isPlain(container: Container, header: Metadata): boolean {
  return (
    container.intact &&
    (header.pages ?? 1) === 1 &&
    (header.orientation ?? 1) === 1 &&
    // libvips calls the deeper variants of these two rgb16 and grey16.
    (header.space === 'srgb' || header.space === 'b-w') &&
    (header.icc === undefined || isSrgbProfile(header.icc))
  );
}

/** Reads the profile's description (ICC.1:2022, 7.3 and 9.2.41): `sRGB …` or `… IEC61966-2.1`. */
function isSrgbProfile(icc: Buffer): boolean {
  const tags = icc.length >= 132 ? icc.readUInt32BE(128) : 0;
  for (let at = 132; at + 12 <= icc.length && at < 132 + 12 * tags; at += 12) {
    if (icc.toString('latin1', at, at + 4) !== 'desc') continue;
    const offset = icc.readUInt32BE(at + 4);
    const description = icc.subarray(offset, offset + icc.readUInt32BE(at + 8));
    // ASCII in version 2, UTF-16 in version 4: without the zero bytes both read the same.
    return /sRGB|IEC ?61966-2[.-]1/.test(description.toString('latin1').replaceAll('\0', ''));
  }
  return false;
}

function brokenPicture(cause: unknown): ImageError {
  const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '').slice(0, 200) : 'unknown';
  return invalidImage(`the picture is broken: ${reason}`, cause);
}

function invalidImage(detail: string, cause?: unknown): ImageError {
  return new ImageError('invalid_image', detail, { cause });
}
