import type { Picture } from '../inspect.ts';

/** The parts of a decoded picture that are measured. Transparent pixels are composited over black. */
export type Pixels = Pick<Picture, 'width' | 'height' | 'channels' | 'pixels' | 'transparent'>;

/** How much the pixels of a picture differ from one another. */
export interface Spread {
  /** Largest standard deviation of a colour channel, or of alpha where the picture is transparent: 0 to 127.5. */
  readonly deviation: number;
  /** Entropy of the grey histogram, or of the alpha histogram where that is higher, in bits: 0 to 8. */
  readonly entropy: number;
}

/** A dot that covers 1% of the picture is sampled about 160 times. */
const SPREAD_SAMPLES = 16_384;

/**
 * Measures how much the picture varies. Reads every pixel of a small picture, and of a large one those of the R2 sequence,
 * which cover it evenly and, unlike a regular grid, do not align with patterns in the picture.
 */
export function measureSpread({ width, height, channels, pixels, transparent }: Pixels): Spread {
  const all = width * height <= SPREAD_SAMPLES;
  const samples = all ? width * height : SPREAD_SAMPLES;
  const reds = new Uint32Array(256);
  const greens = new Uint32Array(256);
  const blues = new Uint32Array(256);
  const greys = new Uint32Array(256);
  const alphas = new Uint32Array(256);
  for (let index = 0; index < samples; index += 1) {
    const at = channels * (all ? index : pointOfR2(index, width, height));
    const alpha = channels === 4 ? (pixels[at + 3] ?? 0) : 255;
    count(reds, overBlack(pixels[at] ?? 0, alpha));
    count(greens, overBlack(pixels[at + 1] ?? 0, alpha));
    count(blues, overBlack(pixels[at + 2] ?? 0, alpha));
    count(greys, greyAt(pixels, at, channels));
    count(alphas, alpha);
  }
  const channelsSeen = transparent ? [reds, greens, blues, alphas] : [reds, greens, blues];
  return {
    deviation: Math.max(...channelsSeen.map((histogram) => deviationOf(histogram, samples))),
    entropy: Math.max(entropyOf(greys, samples), transparent ? entropyOf(alphas, samples) : 0),
  };
}

function count(histogram: Uint32Array, value: number): void {
  histogram[value] = (histogram[value] ?? 0) + 1;
}

/** Composites a shade over black, so that colours of transparent pixels do not count. */
function overBlack(value: number, alpha: number): number {
  return alpha === 255 ? value : Math.round((value * alpha) / 255);
}

/** Luma of Rec. 709, as an integer, composited over black. */
function greyAt(pixels: Buffer, at: number, channels: 3 | 4): number {
  const grey = (54 * (pixels[at] ?? 0) + 183 * (pixels[at + 1] ?? 0) + 19 * (pixels[at + 2] ?? 0)) >> 8;
  return channels === 4 ? overBlack(grey, pixels[at + 3] ?? 0) : grey;
}

/** Point `index` of Martin Roberts's R2 low-discrepancy sequence, as the index of a pixel. */
function pointOfR2(index: number, width: number, height: number): number {
  const x = 0.5 + index * 0.7548776662466927;
  const y = 0.5 + index * 0.5698402909980532;
  // The fraction, exactly as `% 1` gives it, which V8 leaves to a call of fmod.
  return Math.floor((y - Math.floor(y)) * height) * width + Math.floor((x - Math.floor(x)) * width);
}

function deviationOf(histogram: Uint32Array, samples: number): number {
  let sum = 0;
  let squares = 0;
  for (const [value, times] of histogram.entries()) {
    sum += times * value;
    squares += times * value * value;
  }
  return Math.sqrt(Math.max(0, squares / samples - (sum / samples) ** 2));
}

function entropyOf(histogram: Uint32Array, samples: number): number {
  let bits = 0;
  for (const times of histogram) if (times > 0) bits -= (times / samples) * Math.log2(times / samples);
  return bits;
}

/** Pixels of the window within which an edge is measured. */
const WINDOW = 16;
const HALF = WINDOW / 2;
/** Smallest range of shades in a window that counts as an edge; far above JPEG noise and block artefacts. */
const EDGE_CONTRAST = 48;
/** Rows, and also columns, that are scanned. */
const LINES = 64;
/** Fewest windows with an edge; below that the result is 0. */
const MIN_EDGES = 16;

/**
 * Measures how steep the picture's sharper edges are. The steepness of an edge is the largest step between neighbouring pixels
 * over the range of the 16 pixels around it; the result is the 90th percentile. 1 is an edge from one pixel to the next; a blur
 * with a sigma of 4 pixels gives about 0.1, whatever the contrast. One sharp subject before a soft background is enough. 0
 * where there are too few edges. Scaling changes the value, so measure the picture as it came.
 */
export function measureSharpness(picture: Pixels): number {
  const { width, height, transparent } = picture;
  /** Histogram of steepness in percent. */
  const steepness = new Uint32Array(101);
  for (const part of transparent ? (['grey', 'alpha'] as const) : (['grey'] as const)) {
    const rows = evenlySpaced(height).map((y) => y * width);
    const columns = evenlySpaced(width);
    countEdges(readLines(picture, part, rows, 1, width), width, steepness);
    countEdges(readLines(picture, part, columns, width, height), height, steepness);
  }
  const edges = steepness.reduce((sum, count) => sum + count, 0);
  if (edges < MIN_EDGES) return 0;
  let above = 0;
  for (let percent = 100; percent > 0; percent -= 1) {
    above += steepness[percent] ?? 0;
    if (above >= edges / 10) return percent / 100;
  }
  return 0;
}

/** Up to `LINES` whole numbers below `end`, evenly spread. */
function evenlySpaced(end: number): readonly number[] {
  const lines = Math.min(LINES, end);
  return Array.from({ length: lines }, (_, index) => Math.floor(((index + 0.5) * end) / lines));
}

/** Lines of `length` pixels, one after the other; `starts` and `step` are in pixels. */
function readLines(
  { channels, pixels }: Pixels,
  part: 'grey' | 'alpha',
  starts: readonly number[],
  step: number,
  length: number,
): Uint8Array {
  const lines = new Uint8Array(starts.length * length);
  let to = 0;
  for (const start of starts) {
    const end = to + length;
    let at = channels * start;
    if (part === 'alpha') {
      for (; to < end; to += 1, at += channels * step) lines[to] = pixels[at + 3] ?? 0;
    } else {
      for (; to < end; to += 1, at += channels * step) lines[to] = greyAt(pixels, at, channels);
    }
  }
  return lines;
}

/** Counts the edges of all windows; each overlaps the next one by half, and a half is read once for both. */
function countEdges(lines: Uint8Array, length: number, steepness: Uint32Array): void {
  const half = Math.min(HALF, length);
  for (let start = 0; start < lines.length; start += length) {
    let last = lines[start] ?? 0;
    let leastBefore = 255;
    let mostBefore = 0;
    let steepestBefore = 0;
    for (let from = 0; from < length; from += half) {
      // A line shorter than a window is one window.
      if (from + half > length && length > WINDOW) break;
      const end = start + Math.min(from + half, length);
      let least = 255;
      let most = 0;
      let steepest = 0;
      const first = lines[start + from] ?? 0;
      const stepBetween = Math.abs(first - last);
      last = first;
      for (let at = start + from; at < end; at += 1) {
        const value = lines[at] ?? 0;
        least = lesser(least, value);
        most = greater(most, value);
        const step = value - last;
        steepest = greater(steepest, greater(step, -step));
        last = value;
      }
      const range = greater(most, mostBefore) - lesser(least, leastBefore);
      const isWindow = from > 0 || half === length;
      if (isWindow && range >= EDGE_CONTRAST) {
        const steepestOfBoth = greater(greater(steepest, steepestBefore), stepBetween);
        count(steepness, Math.round((100 * steepestOfBoth) / range));
      }
      leastBefore = least;
      mostBefore = most;
      steepestBefore = steepest;
    }
  }
}

/** The lesser of two shades, without a branch: in fine grain, a processor guesses every third branch wrongly. */
function lesser(one: number, other: number): number {
  const difference = other - one;
  return one + (difference & (difference >> 31));
}

function greater(one: number, other: number): number {
  const difference = one - other;
  return one - (difference & (difference >> 31));
}
