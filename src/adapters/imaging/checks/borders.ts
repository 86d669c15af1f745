import type { Pixels } from './measures.ts';

/** Pixels sampled per row or column. */
const SAMPLES = 256;
/** Largest difference of a shade that still belongs to the bar; above JPEG noise. */
const SHADE_TOLERANCE = 10;
/** Smallest difference of a shade between the bar and a pixel of the picture next to it. */
const MIN_EDGE_CONTRAST = 24;
/** Share of the bar's length that needs this contrast. A product on a white page has flat margins too, but no straight edge. */
const MIN_EDGE_SHARE = 0.5;
/** Depth behind the bar, as a share of the picture's side, within which that contrast must be reached: ringing softens the edge. */
const EDGE_DEPTH = 0.015;
/** Largest ratio of the widths of two opposite bars; two lines more are tolerated. */
const MAX_BAR_RATIO = 1.5;
/** A bar thinner than this share of the side counts as part of the picture. */
const MIN_BAR_SHARE = 0.01;

/**
 * Share of the picture's area inside its borders (letterbox or pillarbox bars): 1 where it has none. A border is a pair of
 * bars of one colour and about equal width on opposite sides; each spans the whole side and ends in a straight edge.
 */
export function measureContent({ width, height, channels, pixels }: Pixels): number {
  const rows: Lines = { pixels, channels, count: height, length: width, lineStride: width, pixelStride: 1 };
  const columns: Lines = { pixels, channels, count: width, length: height, lineStride: 1, pixelStride: width };
  return (1 - totalBarWidth(rows) / height) * (1 - totalBarWidth(columns) / width);
}

/** A picture as rows or as columns; strides are in pixels. */
interface Lines {
  readonly pixels: Buffer;
  readonly channels: 3 | 4;
  /** Number of lines. */
  readonly count: number;
  /** Pixels of a line. */
  readonly length: number;
  /** From one line to the next. */
  readonly lineStride: number;
  /** From one pixel of a line to the next. */
  readonly pixelStride: number;
}

/** Width of both bars together, in lines; 0 where they form no border. */
function totalBarWidth(lines: Lines): number {
  const { count } = lines;
  const first = barWidth(lines, 0, 1);
  const last = first > 0 ? barWidth(lines, count - 1, -1) : 0;
  const [thin, thick] = first < last ? [first, last] : [last, first];
  if (thin < MIN_BAR_SHARE * count || thick > MAX_BAR_RATIO * thin + 2) return 0;
  return shareAwayFrom(lines, 0, count - 1, SHADE_TOLERANCE) === 0 ? first + last : 0;
}

/** Width of the flat bar that begins at line `outer` and ends in a straight edge before the middle; 0 where there is none. */
function barWidth(lines: Lines, outer: number, step: 1 | -1): number {
  const half = lines.count / 2;
  let width = 0;
  while (width < half && shareAwayFrom(lines, outer, outer + step * width, SHADE_TOLERANCE) === 0) width += 1;
  if (width >= half) return 0;
  const depth = Math.max(2, Math.ceil(EDGE_DEPTH * lines.count));
  for (let line = width; line < width + depth; line += 1) {
    if (shareAwayFrom(lines, outer, outer + step * line, MIN_EDGE_CONTRAST) >= MIN_EDGE_SHARE) return width;
  }
  return 0;
}

/** Share of a line's pixels that differ by more than `distance` in a channel from the first pixel of line `outer`. */
function shareAwayFrom(lines: Lines, outer: number, line: number, distance: number): number {
  const { pixels, channels, length, lineStride, pixelStride } = lines;
  const samples = Math.min(SAMPLES, length);
  const colour = channels * outer * lineStride;
  let away = 0;
  for (let sample = 0; sample < samples; sample += 1) {
    const at = channels * (line * lineStride + pixelStride * Math.floor(((sample + 0.5) * length) / samples));
    for (let channel = 0; channel < channels; channel += 1) {
      if (Math.abs((pixels[at + channel] ?? 0) - (pixels[colour + channel] ?? 0)) <= distance) continue;
      away += 1;
      break;
    }
  }
  return away / samples;
}
