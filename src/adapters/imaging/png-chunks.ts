import { crc32 } from 'node:zlib';

/** A chunk of a PNG (third edition, 5.3). */
export interface PngChunk {
  readonly type: string;
  /** Where its length field stands in the file. */
  readonly start: number;
  /** First byte after its checksum, which may lie beyond the file's end. */
  readonly end: number;
  readonly data: Buffer;
}

export const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
/** Signature and IHDR, which always come first and have a fixed length. */
export const PNG_HEADER_BYTES = PNG_SIGNATURE.length + 12 + 13;

/** No encoder writes more chunks; walking through the millions of a malicious file would take seconds. */
export const MAX_PNG_CHUNKS = 10_000;

/** The first `MAX_PNG_CHUNKS` chunks in their order, the last one perhaps cut off. Reads their headers only. */
export function* pngChunks(png: Buffer): Generator<PngChunk> {
  let at = PNG_SIGNATURE.length;
  for (let count = 0; count < MAX_PNG_CHUNKS && at + 8 <= png.length; count += 1) {
    const end = at + 12 + png.readUInt32BE(at);
    yield { type: png.toString('latin1', at + 4, at + 8), start: at, end, data: png.subarray(at + 8, end - 4) };
    at = end;
  }
}

/** True when the whole chunk is there and its checksum is right. */
export function isSoundChunk(png: Buffer, { start, end }: Pick<PngChunk, 'start' | 'end'>): boolean {
  return end <= png.length && png.readUInt32BE(end - 4) === crc32(png.subarray(start + 4, end - 4));
}

/** The bytes of a chunk with its length and checksum. */
export function makePngChunk(type: string, data: Uint8Array): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length);
  chunk.write(type, 4, 'latin1');
  chunk.set(data, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4);
  return chunk;
}
