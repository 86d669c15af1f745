import { ImageError } from '../../core/domain/errors.ts';
import type { RenditionFormat } from '../../core/domain/formats.ts';
import { isSoundChunk, MAX_PNG_CHUNKS, PNG_SIGNATURE } from './png-chunks.ts';

/** Formats of originals that can be read. */
export type PictureFormat = RenditionFormat | 'gif' | 'tiff';

/** What the file's structure says, before anything is decoded. */
export interface Container {
  readonly format: PictureFormat;
  /** True for an animated PNG or AVIF. Always false for GIF and WebP, whose frames the decoder counts. */
  readonly animated: boolean;
  /**
   * What is wrong around the pixels, or null: the end is missing, bytes follow it, or a PNG's checksum is wrong. Decoders ignore
   * that where it is in no chunk that they need, so decoding does not find it. Not checked, and always null, for AVIF and TIFF,
   * which are always encoded anew.
   */
  readonly flaw: string | null;
}

/**
 * Detects the format by its magic bytes, and looks for flaws that decoders do not find. Reads chunk headers and a PNG's checksums
 * only: whether the pixels are all there is for the decoder to say. Raises `ImageError` with `invalid_image` for another format.
 */
export function readContainer(bytes: Buffer): Container {
  const format = sniff(bytes);
  switch (format) {
    case 'png':
      return readPng(bytes);
    case 'jpeg':
      return { format, animated: false, flaw: jpegFlaw(bytes) };
    case 'webp':
      return { format, animated: false, flaw: webpFlaw(bytes) };
    case 'gif':
      return {
        format,
        animated: false,
        flaw: bytes.at(-1) === GIF_TRAILER ? null : 'its last byte is not the trailer',
      };
    default:
      return { format, animated: isAvifSequence(bytes), flaw: null };
  }
}

// Chunk types as numbers, not strings: a malicious file can have millions of chunks.
const ACTL = 0x61_63_54_4c;
const IEND = 0x49_45_4e_44;
const GIF_TRAILER = 0x3b;
/** The flaw of bytes behind the picture, which every reader passes over. */
export const TRAILING_BYTES = 'bytes follow its end';

function sniff(bytes: Buffer): PictureFormat {
  const starts = (magic: string, at = 0) => bytes.toString('latin1', at, at + magic.length) === magic;
  if (bytes.subarray(0, 8).equals(PNG_SIGNATURE)) return 'png';
  if (starts('\xff\xd8\xff')) return 'jpeg';
  if (starts('RIFF') && starts('WEBP', 8)) return 'webp';
  if (starts('GIF87a') || starts('GIF89a')) return 'gif';
  if (starts('II*\0') || starts('MM\0*')) return 'tiff';
  if (starts('ftyp', 4) && avifBrands(bytes).some((brand) => brand === 'avif' || brand === 'avis')) return 'avif';
  const what = bytes.length === 0 ? 'the file is empty' : `they start with ${bytes.toString('hex', 0, 8)}`;
  throw new ImageError('invalid_image', `the bytes are no PNG, JPEG, WebP, AVIF, GIF or TIFF picture: ${what}`);
}

/** Walks the chunks up to IEND (PNG, third edition, 5.3), which decoders do not require. An acTL chunk makes a PNG animated. */
function readPng(bytes: Buffer): Container {
  let animated = false;
  let flaw: string | null = null;
  let chunks = 0;
  let at = PNG_SIGNATURE.length;
  while (at + 12 <= bytes.length) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.readUInt32BE(at + 4);
    const next = at + 12 + length;
    if (type === ACTL && length >= 4 && next <= bytes.length) animated ||= bytes.readUInt32BE(at + 8) > 1;
    chunks += 1;
    if (chunks > MAX_PNG_CHUNKS) flaw ??= `it has more than ${MAX_PNG_CHUNKS} chunks`;
    else if (!isSoundChunk(bytes, { start: at, end: next })) flaw ??= 'a chunk is cut off, or its checksum is wrong';
    if (type === IEND)
      return { format: 'png', animated, flaw: flaw ?? (next === bytes.length ? null : TRAILING_BYTES) };
    at = next;
  }
  return { format: 'png', animated, flaw: 'its IEND chunk is missing' };
}

/**
 * Looks for the last end-of-image marker. In a truncated file that can be an embedded thumbnail's marker; then the decoder finds
 * that pixels are missing, so the segments need not be walked here.
 */
function jpegFlaw(bytes: Buffer): string | null {
  const at = bytes.lastIndexOf('ffd9', undefined, 'hex');
  if (at === -1) return 'its end marker is missing';
  return at + 2 === bytes.length ? null : TRAILING_BYTES;
}

/** Compares the file's length with the one in the RIFF header, which leaves out the header's first eight bytes. */
function webpFlaw(bytes: Buffer): string | null {
  const end = bytes.length >= 12 ? bytes.readUInt32LE(4) + 8 : Number.POSITIVE_INFINITY;
  if (end > bytes.length) return `its header promises ${end} bytes, and ${bytes.length} are there`;
  return end === bytes.length ? null : TRAILING_BYTES;
}

/** Major and compatible brands of the ftyp box (ISO/IEC 14496-12, 4.3). */
function avifBrands(bytes: Buffer): readonly string[] {
  const end = Math.min(bytes.readUInt32BE(0), bytes.length, 256);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= end; at += 4) if (at !== 12) brands.push(bytes.toString('latin1', at, at + 4));
  return brands;
}

function isAvifSequence(bytes: Buffer): boolean {
  return bytes.toString('latin1', 4, 12) === 'ftypavis';
}
