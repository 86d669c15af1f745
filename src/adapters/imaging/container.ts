import { crc32 } from 'node:zlib';
import { ImageError } from '../../core/domain/errors.ts';
import type { RenditionFormat } from '../../core/domain/formats.ts';

export type PictureFormat = RenditionFormat | 'gif' | 'tiff';

/** What the bytes say about themselves before anything is decoded. */
export interface Container {
  readonly format: PictureFormat;
  readonly animated: boolean;
  /**
   * Whether every byte belongs to the picture: nothing follows its end, and the checksums of a PNG are right. Decoders pass
   * over what follows and over wrong checksums of parts they do not need, so nothing is known about such bytes.
   */
  readonly intact: boolean;
}

/**
 * Tells the format by its magic bytes, and that the file reaches its own end where a decoder would not miss it.
 * Reads chunk headers only. Raises `ImageError` with `invalid_image`.
 */
export function readContainer(bytes: Uint8Array): Container {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const format = sniff(view);
  switch (format) {
    case 'png':
      return readPng(view);
    case 'jpeg':
      return { format, animated: false, intact: jpegEnd(view) === view.length };
    case 'webp':
      return readWebp(view);
    case 'gif':
      if (view.at(-1) !== GIF_TRAILER) throw truncatedError('GIF', 'its trailer is missing');
      return { format, animated: false, intact: true };
    default:
      // libvips itself misses the last byte of these two.
      return { format, animated: isAvifSequence(view), intact: true };
  }
}

const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
// Chunk types as numbers: a hostile file may have millions of chunks.
const ACTL = 0x61_63_54_4c;
const IEND = 0x49_45_4e_44;
// More are not summed: it would take seconds, and no encoder writes so many.
const MAX_CHUNKS = 10_000;
const GIF_TRAILER = 0x3b;

function sniff(view: Buffer): PictureFormat {
  const starts = (magic: string, at = 0) => view.toString('latin1', at, at + magic.length) === magic;
  if (view.subarray(0, 8).equals(PNG_SIGNATURE)) return 'png';
  if (starts('\xff\xd8\xff')) return 'jpeg';
  if (starts('RIFF') && starts('WEBP', 8)) return 'webp';
  if (starts('GIF87a') || starts('GIF89a')) return 'gif';
  if (starts('II*\0') || starts('MM\0*')) return 'tiff';
  if (starts('ftyp', 4) && avifBrands(view).some((brand) => brand === 'avif' || brand === 'avis')) return 'avif';
  const what = view.length === 0 ? 'there are none' : `they start with ${view.toString('hex', 0, 8)}`;
  throw new ImageError('invalid_image', `the bytes are no PNG, JPEG, WebP, AVIF, GIF or TIFF picture: ${what}`);
}

/** Walks the chunks to IEND (PNG, third edition, 5.3): decoders do not miss it. acTL is what makes a PNG animated. */
function readPng(view: Buffer): Container {
  let animated = false;
  let intact = true;
  let chunks = 0;
  let at = PNG_SIGNATURE.length;
  while (at + 12 <= view.length) {
    const length = view.readUInt32BE(at);
    const type = view.readUInt32BE(at + 4);
    const next = at + 12 + length;
    if (type === ACTL && length >= 4 && next <= view.length) animated ||= view.readUInt32BE(at + 8) > 1;
    chunks += 1;
    intact &&= chunks <= MAX_CHUNKS && next <= view.length && hasValidChecksum(view, at, length);
    if (type === IEND) return { format: 'png', animated, intact: intact && next === view.length };
    at = next;
  }
  throw truncatedError('PNG', 'its IEND chunk is missing');
}

function hasValidChecksum(view: Buffer, at: number, length: number): boolean {
  return view.readUInt32BE(at + 8 + length) === crc32(view.subarray(at + 4, at + 8 + length));
}

/**
 * Index behind the last end-of-image marker. In a broken file that may be an embedded thumbnail's; the decoder then
 * finds the pixels missing, so nothing has to be walked here.
 */
function jpegEnd(view: Buffer): number {
  const at = view.lastIndexOf('ffd9', undefined, 'hex');
  if (at === -1) throw truncatedError('JPEG', 'its end marker is missing');
  return at + 2;
}

/** The RIFF header counts the bytes behind its first eight. Animation is told by the decoder. */
function readWebp(view: Buffer): Container {
  const end = view.length >= 12 ? view.readUInt32LE(4) + 8 : Number.POSITIVE_INFINITY;
  if (end > view.length) throw truncatedError('WebP', `${view.length} of ${end} bytes are there`);
  return { format: 'webp', animated: false, intact: end === view.length };
}

/** Major and compatible brands of the ftyp box (ISO/IEC 14496-12, 4.3). */
function avifBrands(view: Buffer): readonly string[] {
  const end = Math.min(view.readUInt32BE(0), view.length, 256);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= end; at += 4) if (at !== 12) brands.push(view.toString('latin1', at, at + 4));
  return brands;
}

function isAvifSequence(view: Buffer): boolean {
  return view.toString('latin1', 4, 12) === 'ftypavis';
}

function truncatedError(format: string, what: string): ImageError {
  return new ImageError('invalid_image', `the ${format} picture is cut short: ${what}`);
}
