/** Decompression bombs: files of a few kilobytes that claim huge pictures. */

import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { deflatedZeros } from '../../support/pictures.ts';

/** Height and width stand five bytes after the SOF0 marker (ITU-T T.81, B.2.2). */
export async function hugeJpeg(): Promise<Buffer> {
  const bytes = await small().jpeg().toBuffer();
  return patched(bytes, bytes.indexOf('ffc0', 0, 'hex') + 5, 'ffdcffdc');
}

/** Width and height of a lossy picture stand 26 bytes into the file (RFC 9649, 2.5, and RFC 6386, 9.1). */
export async function hugeWebp(): Promise<Buffer> {
  return patched(await small().webp().toBuffer(), 26, 'ff3fff3f');
}

/** Width and height of the first frame stand five bytes after the start of its descriptor (GIF89a, 20). */
export async function hugeGif(): Promise<Buffer> {
  const bytes = await small().gif().toBuffer();
  return patched(bytes, bytes.indexOf('2c00000000', 0, 'hex') + 5, 'ffffffff');
}

/** ImageWidth and ImageLength, tags 256 and 257, as LONG 100,000 each. */
export async function hugeTiff(): Promise<Buffer> {
  const bytes = await small().tiff().toBuffer();
  const directory = bytes.readUInt32LE(4);
  for (let entry = 0; entry < bytes.readUInt16LE(directory); entry += 1) {
    const at = directory + 2 + 12 * entry;
    if (![256, 257].includes(bytes.readUInt16LE(at))) continue;
    bytes.writeUInt16LE(4, at + 2);
    bytes.writeUInt32LE(100_000, at + 8);
  }
  return bytes;
}

/** Width and height stand in the `ispe` property, after its version and flags. */
export async function hugeAvif(): Promise<Buffer> {
  const bytes = await small().avif({ effort: 0 }).toBuffer();
  return patched(bytes, bytes.indexOf('ispe') + 8, '0000f0000000f000');
}

/** A small png whose `iCCP` chunk unpacks to `length` zeros. */
export function pngWithProfile(length: number): Buffer {
  const body = Buffer.concat([Buffer.from('iCCPbomb\0\0', 'latin1'), deflatedZeros(length)]);
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(body.length - 4);
  sum.writeUInt32BE(crc32(body));
  const png = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJRU5ErkJggg==',
    'base64',
  );
  return Buffer.concat([png.subarray(0, 33), size, body, sum, png.subarray(33)]);
}

function small(): Sharp {
  return sharp({ create: { width: 16, height: 16, channels: 3, background: '#345' } });
}

function patched(bytes: Buffer, offset: number, hex: string): Buffer {
  bytes.write(hex, offset, 'hex');
  return bytes;
}
