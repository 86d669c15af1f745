const RIFF_HEADER_BYTES = 12;

/**
 * The WebP with the length in its RIFF header made that of its chunks, and the last one padded (RFC 9649, 2.3 and 2.4). Empty where
 * a chunk is cut off.
 */
export function repairWebp(webp: Buffer): readonly Buffer[] {
  let at = RIFF_HEADER_BYTES;
  while (at + 8 <= webp.length) {
    const length = webp.readUInt32LE(at + 4);
    // What follows the last chunk is no chunk.
    if (!/^[A-Z0-9]{3}[A-Z0-9 ]$/.test(webp.toString('latin1', at, at + 4)) && at > RIFF_HEADER_BYTES) break;
    if (at + 8 + length > webp.length) return [];
    at += 8 + length + (length % 2);
  }
  const repaired = Buffer.alloc(at);
  webp.copy(repaired);
  repaired.writeUInt32LE(at - 8, 4);
  return [repaired];
}
