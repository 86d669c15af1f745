/** Turns an encoded signal into linear light, both from 0 to 1, where 1 is the white of a page. */
export type Transfer = (signal: number) => number;

/** IEC 61966-2-1. */
export const SRGB_TRANSFER: Transfer = (signal) =>
  signal <= 0.04045 ? signal / 12.92 : ((signal + 0.055) / 1.055) ** 2.4;

/** Inverse of `SRGB_TRANSFER`. */
export function encodeSrgb(linear: number): number {
  return linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
}

export function gammaTransfer(exponent: number): Transfer {
  return (signal) => signal ** exponent;
}

/** Inverse of the camera curve of BT.709. */
const BT709: Transfer = (signal) => (signal < 0.081 ? signal / 4.5 : ((signal + 0.099) / 1.099) ** (1 / 0.45));
const SMPTE_240M: Transfer = (signal) => (signal < 0.0912 ? signal / 4 : ((signal + 0.1115) / 1.1115) ** (1 / 0.45));

/** Luminance of the white of a page in an HDR picture, in cd/m² (BT.2408-7, 2.1). */
const HDR_WHITE = 203;

/** SMPTE ST 2084, in units of the white of a page. */
const PQ: Transfer = (signal) => {
  const root = signal ** (1 / 78.84375);
  const luminance = (Math.max(0, root - 0.8359375) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125);
  return (10_000 * luminance) / HDR_WHITE;
};

/** HLG (BT.2100-2) on its reference display of 1,000 cd/m²; the system gamma is applied to each channel by itself. */
const HLG: Transfer = (signal) => {
  const a = 0.17883277;
  const b = 1 - 4 * a;
  const c = 0.5 - a * Math.log(4 * a);
  const scene = signal <= 0.5 ? signal ** 2 / 3 : (Math.exp((signal - c) / a) + b) / 12;
  return (1_000 * scene ** 1.2) / HDR_WHITE;
};

/** Transfer functions by their number in ITU-T H.273 (07/2024), table 3. */
export const H273_TRANSFERS: ReadonlyMap<number, Transfer> = new Map([
  [1, BT709],
  [4, gammaTransfer(2.2)],
  [5, gammaTransfer(2.8)],
  [6, BT709],
  [7, SMPTE_240M],
  [8, (signal) => signal],
  [9, (signal) => (signal <= 0 ? 0 : 10 ** (2 * (signal - 1)))],
  [10, (signal) => (signal <= 0 ? 0 : 10 ** (2.5 * (signal - 1)))],
  // xvYCC and BT.1361 differ from BT.709 below 0 and above 1 only.
  [11, BT709],
  [12, BT709],
  [13, SRGB_TRANSFER],
  [14, BT709],
  [15, BT709],
  [16, PQ],
  [17, (signal) => (52.37 / 48) * signal ** 2.6],
  [18, HLG],
]);

/** Numbers of the transfer functions whose signals are brighter than the white of a page: PQ and HLG. */
export const HDR_TRANSFERS: ReadonlySet<number> = new Set([16, 18]);
