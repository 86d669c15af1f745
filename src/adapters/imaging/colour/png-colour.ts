import { deflateSync } from 'node:zlib';
import { isSoundChunk, makePngChunk, PNG_HEADER_BYTES, type PngChunk, pngChunks } from '../png-chunks.ts';
import { type Chromaticities, type Chromaticity, makeRgbProfile } from './icc-profile.ts';
import { gammaTransfer, H273_TRANSFERS, HDR_TRANSFERS, SRGB_TRANSFER, type Transfer } from './transfer.ts';

/** A PNG that the decoder reads rightly, or nearly. */
export interface ProfiledPng {
  /** Without colour chunks but for a profile where the picture needs one. */
  readonly bytes: Buffer;
  readonly hasProfile: boolean;
  /** How the signals of a grey picture become light; null for pictures in colour, and for sRGB. */
  readonly greys: Transfer | null;
  /** True when it holds light brighter than white, which is cut off. */
  readonly hdr: boolean;
}

/** What the chunks say of the colours. Where one may be absent, null stands for sRGB. */
interface ColourSpace {
  readonly chromaticities: Chromaticities;
  readonly transfer: Transfer;
  readonly hdr: boolean;
}

const COLOUR_CHUNKS: ReadonlySet<string> = new Set(['cICP', 'iCCP', 'sRGB', 'gAMA', 'cHRM']);

const D65: Chromaticity = [0.3127, 0.329];
const C: Chromaticity = [0.31, 0.316];
const SRGB: Chromaticities = { white: D65, red: [0.64, 0.33], green: [0.3, 0.6], blue: [0.15, 0.06] };
const SMPTE_C: Chromaticities = { white: D65, red: [0.63, 0.34], green: [0.31, 0.595], blue: [0.155, 0.07] };
const P3 = { red: [0.68, 0.32], green: [0.265, 0.69], blue: [0.15, 0.06] } as const;

/** Primaries by their number in ITU-T H.273 (07/2024), table 2. */
const H273_PRIMARIES: ReadonlyMap<number, Chromaticities> = new Map<number, Chromaticities>([
  [1, SRGB],
  [4, { white: C, red: [0.67, 0.33], green: [0.21, 0.71], blue: [0.14, 0.08] }],
  [5, { white: D65, red: [0.64, 0.33], green: [0.29, 0.6], blue: [0.15, 0.06] }],
  [6, SMPTE_C],
  [7, SMPTE_C],
  [8, { white: C, red: [0.681, 0.319], green: [0.243, 0.692], blue: [0.145, 0.049] }],
  [9, { white: D65, red: [0.708, 0.292], green: [0.17, 0.797], blue: [0.131, 0.046] }],
  [10, { white: [1 / 3, 1 / 3], red: [1, 0], green: [0, 1], blue: [0, 0] }],
  [11, { white: [0.314, 0.351], ...P3 }],
  [12, { white: D65, ...P3 }],
  [22, { white: D65, red: [0.63, 0.34], green: [0.295, 0.605], blue: [0.155, 0.077] }],
]);

/**
 * Rewrites a PNG whose colours the decoder would read wrongly, since it knows of ICC profiles only: what `cICP`, or `gAMA` and
 * `cHRM`, say becomes a profile or, for grey pictures, `greys`: profiles of grey are less exact in libvips, and unused in 16 bits.
 * Null where the decoder is right: the colours are sRGB, or `iCCP` holds.
 *
 * The order of precedence is that of PNG, third edition, 4.3: cICP, iCCP, sRGB, gAMA with cHRM. Broken and meaningless chunks are
 * ignored, as are chunks after PLTE or IDAT. `hasProfile` says that the decoder accepts the profile of `iCCP`. Reads no chunk beyond
 * the first IDAT.
 */
export function profilePng(png: Buffer, hasProfile: boolean): ProfiledPng | null {
  const chunks = readColourChunks(png);
  if (chunks.size === 0) return null;
  const named = readCicp(png, chunks.get('cICP')?.data);
  const space = named === undefined && !hasProfile && !chunks.has('sRGB') ? readGamma(chunks) : named;
  if (space === undefined || (space === null && !hasProfile)) return null;
  // Colour types 0 and 4 are grey (11.2.1).
  const grey = ((png[25] ?? 0) & 2) === 0;
  const profile = space && !grey ? makeRgbProfile(space.chromaticities, space.transfer) : null;
  return {
    bytes: withProfile(png, profile),
    hasProfile: profile !== null,
    greys: (grey && space?.transfer) || null,
    hdr: space?.hdr ?? false,
  };
}

/** The sound colour chunks before PLTE and IDAT, the first of each type. */
function readColourChunks(png: Buffer): ReadonlyMap<string, PngChunk> {
  const found = new Map<string, PngChunk>();
  for (const chunk of pngChunks(png)) {
    if (chunk.type === 'PLTE' || chunk.type === 'IDAT' || chunk.type === 'IEND') break;
    if (!COLOUR_CHUNKS.has(chunk.type) || found.has(chunk.type) || !isSoundChunk(png, chunk)) continue;
    found.set(chunk.type, chunk);
  }
  return found;
}

/** Undefined where the chunk is absent, or names what does not exist or cannot be in a PNG. */
function readCicp(png: Buffer, data: Buffer | undefined): ColourSpace | null | undefined {
  if (data?.length !== 4) return undefined;
  const [primaries = 0, transferNumber = 0, matrix, range] = data;
  const chromaticities = H273_PRIMARIES.get(primaries);
  const transfer = H273_TRANSFERS.get(transferNumber);
  if (!chromaticities || !transfer || matrix !== 0 || (range !== 0 && range !== 1)) return undefined;
  const full = range === 1;
  if (full && chromaticities === SRGB && transfer === SRGB_TRANSFER) return null;
  return {
    chromaticities,
    transfer: full ? transfer : narrowRange(transfer, png[24] ?? 8),
    hdr: HDR_TRANSFERS.has(transferNumber),
  };
}

/** Signals from 16 to 235, in units of an eighth bit (ITU-T H.273, 8.3). */
function narrowRange(transfer: Transfer, depth: number): Transfer {
  const unit = 2 ** (depth - 8) / (2 ** depth - 1);
  return (signal) => transfer(Math.min(1, Math.max(0, (signal / unit - 16) / 219)));
}

/**
 * Undefined for sRGB, or where the chunks say nothing. Exponents beyond 10 and below a tenth are no display's and would leave
 * nothing of the picture, so they are ignored like a gAMA of 0.
 */
function readGamma(chunks: ReadonlyMap<string, PngChunk>): ColourSpace | undefined {
  const gamma = chunks.get('gAMA')?.data;
  const value = gamma?.length === 4 ? gamma.readUInt32BE(0) : 0;
  const known = value >= 10_000 && value <= 1_000_000;
  const isSrgbGamma = !known || Math.abs(value - 45_455) <= 500;
  const chromaticities = readChromaticities(chunks.get('cHRM')?.data) ?? SRGB;
  if (isSrgbGamma && chromaticities === SRGB) return undefined;
  return { chromaticities, transfer: isSrgbGamma ? SRGB_TRANSFER : gammaTransfer(100_000 / value), hdr: false };
}

/** `SRGB` itself where the values are those of sRGB but for rounding; null for values that span no colour space. */
function readChromaticities(data: Buffer | undefined): Chromaticities | null {
  if (data?.length !== 32) return null;
  const pair = (index: number): Chromaticity => [
    data.readUInt32BE(8 * index) / 100_000,
    data.readUInt32BE(8 * index + 4) / 100_000,
  ];
  const read = { white: pair(0), red: pair(1), green: pair(2), blue: pair(3) };
  if (Object.values(read).some(([x, y]) => x + y > 1) || read.white[1] < 0.01) return null;
  const near = ([x, y]: Chromaticity, [otherX, otherY]: Chromaticity) =>
    Math.abs(x - otherX) <= 0.005 && Math.abs(y - otherY) <= 0.005;
  const isSrgb =
    near(read.white, SRGB.white) &&
    near(read.red, SRGB.red) &&
    near(read.green, SRGB.green) &&
    near(read.blue, SRGB.blue);
  if (isSrgb) return SRGB;
  return makeRgbProfile(read, SRGB_TRANSFER) && read;
}

/** The PNG with this profile, or none, in place of all its colour chunks before the pixels. */
function withProfile(png: Buffer, profile: Buffer | null): Buffer {
  const parts = [png.subarray(0, PNG_HEADER_BYTES)];
  if (profile)
    parts.push(makePngChunk('iCCP', Buffer.concat([Buffer.from('colours\0\0', 'latin1'), deflateSync(profile)])));
  let from = PNG_HEADER_BYTES;
  for (const { type, start, end } of pngChunks(png)) {
    if (type === 'IDAT' || type === 'IEND') break;
    if (!COLOUR_CHUNKS.has(type)) continue;
    parts.push(png.subarray(from, start));
    from = end;
  }
  parts.push(png.subarray(from));
  return Buffer.concat(parts);
}
