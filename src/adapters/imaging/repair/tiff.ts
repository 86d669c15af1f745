/**
 * The TIFF as it is, to be read without regard to warnings, such as of unsorted or unknown tags: missing strips and broken pixels are
 * errors. Then the same without the pages after the first one, the only one that is used (TIFF 6.0, 2).
 */
export function repairTiff(tiff: Buffer): readonly Buffer[] {
  if (tiff.length < 8) return [];
  const little = tiff.toString('latin1', 0, 2) === 'II';
  const short = (at: number) => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const directory = little ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
  if (directory + 2 > tiff.length) return [];
  const next = directory + 2 + 12 * short(directory);
  if (next + 4 > tiff.length || tiff.readUInt32LE(next) === 0) return [tiff];
  const single = Buffer.from(tiff);
  single.writeUInt32LE(0, next);
  return [tiff, single];
}
