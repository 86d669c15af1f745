import { isSoundChunk, makePngChunk, PNG_HEADER_BYTES, pngChunks } from '../png-chunks.ts';

/**
 * The PNG with right checksums around its pixels and an IEND after them, whatever followed. The pixels have a checksum of their own,
 * Adler-32, which the decoder verifies.
 */
export function repairPng(png: Buffer): readonly Buffer[] {
  const parts = [png.subarray(0, PNG_HEADER_BYTES)];
  for (const chunk of pngChunks(png)) {
    if (chunk.start < PNG_HEADER_BYTES) continue;
    if (chunk.type === 'IEND') break;
    if (isSoundChunk(png, chunk)) parts.push(png.subarray(chunk.start, chunk.end));
    else if (chunk.type === 'IDAT') parts.push(makePngChunk('IDAT', chunk.data));
  }
  parts.push(makePngChunk('IEND', Buffer.alloc(0)));
  return [Buffer.concat(parts)];
}
