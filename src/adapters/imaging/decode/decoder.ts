import { setImmediate } from 'node:timers/promises';
import sharp, { type Metadata } from 'sharp';
import { ImageError } from '../../../core/domain/errors.ts';
import type { Size } from '../../../core/domain/geometry.ts';
import { encodeSrgb, type Transfer } from '../colour/transfer.ts';
import { freePixels } from './pixels.ts';

/** How strict the decoder is: `warning` refuses whatever it finds odd, `error` what it cannot read. */
export type Strictness = 'warning' | 'error';

export interface RawInfo extends Size {
  readonly channels: number;
}

interface DecodeOptions {
  readonly failOn: Strictness;
  readonly maxPixels: number;
}

/**
 * Reads the header; no pixel is decoded. Raises `ImageError`: `invalid_image` for what cannot be read, `internal_error` where the
 * machine is at fault.
 */
export async function readHeader(bytes: Uint8Array): Promise<Metadata> {
  try {
    // The caller compares the size with its limit, with a better message. What is odd shows when the pixels are decoded.
    return await sharp(bytes, { limitInputPixels: false, failOn: 'none' }).metadata();
  } catch (cause) {
    throw decodeError(cause, null);
  }
}

/** Decodes to upright 8-bit sRGB. Raises the same errors as `readHeader`. */
export async function decodePixels(
  bytes: Uint8Array,
  header: Metadata,
  { failOn, maxPixels }: DecodeOptions,
): Promise<{ data: Buffer; info: RawInfo }> {
  let image = sharp(bytes, { autoOrient: true, failOn, limitInputPixels: maxPixels }).toColourspace('srgb');
  // sharp converts 16-bit pixels with a profile to Display P3 first; this converts them on to sRGB.
  if (header.depth === 'ushort' && header.hasProfile) image = image.withIccProfile('srgb', { attach: false });
  try {
    // Without a timeout of sharp: that kills the decoder, which sometimes ends in a deadlock or an abort of the process (seen with
    // interlaced png).
    return await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  } catch (cause) {
    throw decodeError(cause, header);
  }
}

const GREY_SPACES = { opaque: { 8: 'b-w', 16: 'grey16' }, alpha: { 8: 'srgb', 16: 'rgb16' } } as const;
/** Pixels that are converted before the event loop gets its turn: about 3 ms. */
const SLICE = 1_000_000;

/** As `decodePixels`, for a grey picture without a profile whose signals become light by `transfer`. */
export async function decodeGreys(
  bytes: Uint8Array,
  header: Metadata,
  { failOn, maxPixels }: DecodeOptions,
  transfer: Transfer,
): Promise<{ data: Buffer; info: RawInfo }> {
  const deep = header.depth === 'ushort';
  // sharp drops the alpha of grey.
  const image = sharp(bytes, { autoOrient: true, failOn, limitInputPixels: maxPixels })
    .toColourspace(GREY_SPACES[header.hasAlpha ? 'alpha' : 'opaque'][deep ? 16 : 8])
    .raw({ depth: deep ? 'ushort' : 'uchar' });
  const { data: raw, info } = await image.toBuffer({ resolveWithObject: true }).catch((cause: unknown) => {
    throw decodeError(cause, header);
  });
  const most = deep ? 65_535 : 255;
  const shades = Uint8Array.from({ length: most + 1 }, (_, code) =>
    Math.round(255 * encodeSrgb(Math.min(1, Math.max(0, transfer(code / most))))),
  );
  const greys = deep ? new Uint16Array(raw.buffer, raw.byteOffset, raw.byteLength / 2) : raw;
  const alpha = info.channels === 4;
  const channels = alpha ? 4 : 3;
  const data = Buffer.allocUnsafeSlow(info.width * info.height * channels);
  for (let pixel = 0; pixel < info.width * info.height; pixel += 1) {
    if (pixel % SLICE === SLICE - 1) await setImmediate();
    const from = info.channels * pixel;
    const to = channels * pixel;
    const shade = shades[greys[from] ?? 0] ?? 0;
    data[to] = shade;
    data[to + 1] = shade;
    data[to + 2] = shade;
    if (alpha) data[to + 3] = Math.round((255 * (greys[from + 3] ?? 0)) / most);
  }
  freePixels(raw);
  return { data, info: { width: info.width, height: info.height, channels } };
}

/** What the decoder says is wrong with the bytes; null for any other error. */
export function decoderRefusal(error: unknown): string | null {
  const refused = error instanceof ImageError && error.code === 'invalid_image' && error.cause instanceof Error;
  return refused ? (error.cause as Error).message : null;
}

/**
 * What libvips, its decoders, GLib, Node and V8 say when they get no memory or no thread, as found by decoding under
 * `prlimit --as` with limits from 1.2 to 2.7 GB.
 */
const MACHINE_FAULTS = new RegExp(
  [
    'out of memory|memory error|insufficient memory|bad_alloc|ENOMEM|allocation failed',
    '(failed|unable) to allocate|cannot allocate',
    'creating thread|resource temporarily unavailable|too many open files',
  ].join('|'),
  'i',
);

function decodeError(cause: unknown, size: Size | null): ImageError {
  const message = cause instanceof Error ? cause.message : 'unknown';
  if (MACHINE_FAULTS.test(message) || (size !== null && !hasMemoryFor(size))) {
    const detail = 'the picture could not be decoded, since the machine had no memory for it; its original is kept';
    return new ImageError('internal_error', detail, { cause });
  }
  return new ImageError('invalid_image', `the picture is broken: ${firstLine(message)}`, { cause });
}

/** The first line of what a decoder says, cut at 200 characters. */
export function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').slice(0, 200);
}

/** What decoding takes at most: pixels in several stages, and the arenas that glibc reserves for new threads. */
const DECODE_BYTES = 256 * 1024 * 1024;
const DECODE_BYTES_PER_PIXEL = 16;

/**
 * Some decoders do not say that memory was lacking (libwebp: `unable to read pixels`), so whether the process may have more is tried.
 * That takes address space only, which is given back at once. V8 does not count it, as a buffer can grow to this length and has none
 * yet: a buffer of the length itself would start a collection of all garbage, 40 ms for each refused picture.
 */
function hasMemoryFor({ width, height }: Size): boolean {
  const bytes = DECODE_BYTES + DECODE_BYTES_PER_PIXEL * width * height;
  try {
    new ArrayBuffer(0, { maxByteLength: bytes }).transferToFixedLength();
    return true;
  } catch {
    return false;
  }
}
