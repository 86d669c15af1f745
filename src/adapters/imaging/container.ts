import { crc32 } from 'node:zlib';
import { ImageError } from '../../core/domain/errors.ts';
import type { RenditionFormat } from '../../core/domain/formats.ts';

/** Formats of originals that can be read. */
export type PictureFormat = RenditionFormat | 'gif' | 'tiff';

/** What the file's structure says, before anything is decoded. */
export interface Container {
  readonly format: PictureFormat;
  /** True for an animated PNG or AVIF. Always false for GIF and WebP, whose frames the decoder counts. */
  readonly animated: boolean;
  /**
   * True when every byte belongs to the picture: nothing follows its end, and a PNG's checksums are right. Decoders ignore
   * trailing bytes and wrong checksums of chunks that they do not need, so decoding does not find such bytes. Not checked, and
   * always true, for GIF, AVIF and TIFF, which are always encoded anew.
   */
  readonly intact: boolean;
}

/**
 * Detects the format by its magic bytes, and checks that the file is complete where decoders do not. Reads chunk headers and
 * a PNG's checksums only. Raises `ImageError` with `invalid_image` for another format and for a truncated file.
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
      // libvips itself rejects a truncated AVIF or TIFF, down to the last byte.
      return { format, animated: isAvifSequence(view), intact: true };
  }
}

const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
// Chunk types as numbers, not strings: a malicious file can have millions of chunks.
const ACTL = 0x61_63_54_4c;
const IEND = 0x49_45_4e_44;
/** A PNG with more chunks counts as not intact: its checksums would take seconds to compute, and no encoder writes so many. */
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
  const what = view.length === 0 ? 'the file is empty' : `they start with ${view.toString('hex', 0, 8)}`;
  throw new ImageError('invalid_image', `the bytes are no PNG, JPEG, WebP, AVIF, GIF or TIFF picture: ${what}`);
}

/** Walks the chunks up to IEND (PNG, third edition, 5.3), which decoders do not require. An acTL chunk makes a PNG animated. */
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
 * Index after the last end-of-image marker. In a truncated file that can be an embedded thumbnail's marker; then the decoder
 * finds that pixels are missing, so the segments need not be walked here.
 */
function jpegEnd(view: Buffer): number {
  const at = view.lastIndexOf('ffd9', undefined, 'hex');
  if (at === -1) throw truncatedError('JPEG', 'its end marker is missing');
  return at + 2;
}

/** Compares the file's length with the one in the RIFF header, which leaves out the header's first eight bytes. */
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
  return new ImageError('invalid_image', `the ${format} picture is truncated: ${what}`);
}
