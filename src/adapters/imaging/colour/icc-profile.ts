import type { Transfer } from './transfer.ts';

/** Chromaticity: CIE 1931 x and y. */
export type Chromaticity = readonly [x: number, y: number];

export interface Chromaticities {
  readonly white: Chromaticity;
  readonly red: Chromaticity;
  readonly green: Chromaticity;
  readonly blue: Chromaticity;
}

type Vector = readonly [number, number, number];
type Matrix = readonly [Vector, Vector, Vector];

/** White of the profile connection space (ICC.1:2022, 7.2.16). */
const D50: Vector = [0.9642, 1, 0.8249];
/** Cone responses by Bradford (ICC.1:2022, annex E). */
const BRADFORD: Matrix = [
  [0.8951, 0.2664, -0.1614],
  [-0.7502, 1.7135, 0.0367],
  [0.0389, -0.0685, 1.0296],
];
const CURVE_POINTS = 4096;

/**
 * A display profile of version 4 (ICC.1:2022) for pictures with these primaries and this transfer function; null where the
 * chromaticities span no colour space.
 */
export function makeRgbProfile(chromaticities: Chromaticities, transfer: Transfer): Buffer | null {
  const columns = toD50(chromaticities);
  if (columns === null) return null;
  const [red, green, blue] = columns;
  const curve = curveTag(transfer);
  return makeProfile([
    ['wtpt', xyzTag(D50)],
    ['rXYZ', xyzTag(red)],
    ['gXYZ', xyzTag(green)],
    ['bXYZ', xyzTag(blue)],
    ['rTRC', curve],
    ['gTRC', curve],
    ['bTRC', curve],
  ]);
}

/** True where the description says so (ICC.1:2022, 7.3 and 9.2.41): `sRGB …` or `… IEC61966-2.1`. */
export function isSrgbProfile(icc: Buffer): boolean {
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

/** XYZ of the three primaries at full strength, adapted to D50. */
function toD50({ white, red, green, blue }: Chromaticities): Matrix | null {
  const whiteXyz = toXyz(white).map((value) => value / white[1]) as unknown as Vector;
  const primaries = transpose([toXyz(red), toXyz(green), toXyz(blue)]);
  const inverse = invert(primaries);
  const backFromCones = invert(BRADFORD);
  if (inverse === null || backFromCones === null) return null;
  const strengths = multiply(inverse, whiteXyz);
  const from = multiply(BRADFORD, whiteXyz);
  const to = multiply(BRADFORD, D50);
  const adapt = (xyz: Vector): Vector => {
    const [long, medium, short] = multiply(BRADFORD, xyz);
    return multiply(backFromCones, [(long * to[0]) / from[0], (medium * to[1]) / from[1], (short * to[2]) / from[2]]);
  };
  const scale = (of: Chromaticity, strength: number): Vector => {
    const [x, y, z] = toXyz(of);
    return adapt([x * strength, y * strength, z * strength]);
  };
  const columns: Matrix = [scale(red, strengths[0]), scale(green, strengths[1]), scale(blue, strengths[2])];
  // Beyond 4 the primaries are nearly on one line; a profile holds numbers below 32,768.
  return columns.flat().every((value) => Math.abs(value) < 4) ? columns : null;
}

function toXyz([x, y]: Chromaticity): Vector {
  return [x, y, 1 - x - y];
}

function multiply(matrix: Matrix, [x, y, z]: Vector): Vector {
  const row = ([a, b, c]: Vector) => a * x + b * y + c * z;
  return [row(matrix[0]), row(matrix[1]), row(matrix[2])];
}

function transpose([[a, b, c], [d, e, f], [g, h, i]]: Matrix): Matrix {
  return [
    [a, d, g],
    [b, e, h],
    [c, f, i],
  ];
}

function invert([[a, b, c], [d, e, f], [g, h, i]]: Matrix): Matrix | null {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  if (Math.abs(determinant) < 1e-6) return null;
  const by = (value: number) => value / determinant;
  return [
    [by(e * i - f * h), by(c * h - b * i), by(b * f - c * e)],
    [by(f * g - d * i), by(a * i - c * g), by(c * d - a * f)],
    [by(d * h - e * g), by(b * g - a * h), by(a * e - b * d)],
  ];
}

/** Lays out header, tag table and tags; equal tags share their bytes. */
function makeProfile(tags: readonly (readonly [name: string, bytes: Buffer])[]): Buffer {
  const all = [['desc', textTag('described by chunks')], ['cprt', textTag('none')], ...tags] as const;
  const table = Buffer.alloc(4 + 12 * all.length);
  table.writeUInt32BE(all.length);
  const offsets = new Map<Buffer, number>();
  let size = 128 + table.length;
  for (const [index, [name, bytes]] of all.entries()) {
    const offset = offsets.get(bytes) ?? size;
    if (!offsets.has(bytes)) size += bytes.length;
    offsets.set(bytes, offset);
    table.write(name, 4 + 12 * index, 'latin1');
    table.writeUInt32BE(offset, 8 + 12 * index);
    table.writeUInt32BE(bytes.length, 12 + 12 * index);
  }
  const header = Buffer.alloc(128);
  header.writeUInt32BE(size);
  header.writeUInt32BE(0x04_40_00_00, 8);
  header.write('mntrRGB XYZ ', 12, 'latin1');
  // A date is required: 2020-01-01.
  for (const [index, value] of [2020, 1, 1].entries()) header.writeUInt16BE(value, 24 + 2 * index);
  header.write('acsp', 36, 'latin1');
  for (const [index, value] of D50.entries()) header.writeInt32BE(fixed(value), 68 + 4 * index);
  return Buffer.concat([header, table, ...offsets.keys()], size);
}

function xyzTag(xyz: Vector): Buffer {
  const tag = Buffer.alloc(20);
  tag.write('XYZ ', 'latin1');
  for (const [index, value] of xyz.entries()) tag.writeInt32BE(fixed(value), 8 + 4 * index);
  return tag;
}

function curveTag(transfer: Transfer): Buffer {
  const tag = Buffer.alloc(12 + 2 * CURVE_POINTS);
  tag.write('curv', 'latin1');
  tag.writeUInt32BE(CURVE_POINTS, 8);
  for (let point = 0; point < CURVE_POINTS; point += 1) {
    const linear = Math.min(1, Math.max(0, transfer(point / (CURVE_POINTS - 1))));
    tag.writeUInt16BE(Math.round(65_535 * linear), 12 + 2 * point);
  }
  return tag;
}

/** One string in English, padded to a multiple of four bytes. */
function textTag(text: string): Buffer {
  const tag = Buffer.alloc(28 + 4 * Math.ceil(text.length / 2));
  tag.write('mluc', 'latin1');
  tag.writeUInt32BE(1, 8);
  tag.writeUInt32BE(12, 12);
  tag.write('enUS', 16, 'latin1');
  tag.writeUInt32BE(2 * text.length, 20);
  tag.writeUInt32BE(28, 24);
  tag.write(text, 28, 'utf16le');
  tag.subarray(28).swap16();
  return tag;
}

/** As s15Fixed16Number. */
function fixed(value: number): number {
  return Math.round(65_536 * value);
}
