import type { Pixels } from './measures.ts';

/** Pixels of a line that are looked at. */
const SAMPLES = 256;
/** How far a shade may be from the border's own and still belong to it: the noise of jpeg stays below. */
const SHADE_TOLERANCE = 10;
/** How far the picture behind a border has to be from it … */
const MIN_EDGE_CONTRAST = 24;
/** … on this share of the border's length. A product on a white page has flat margins too, but no straight edge. */
const MIN_EDGE_SHARE = 0.5;
/** Share of a side within which that edge has to come: ringing softens it. */
const EDGE_DEPTH = 0.015;
/** How unequal two opposite borders may be. */
const MAX_BAR_RATIO = 1.5;
/** A border thinner than this share of the side is part of the picture. */
const MIN_BAR_SHARE = 0.01;

/**
 * Share of the picture's area inside flat borders: 1 where it has none. A border is a pair of bars of one colour, about
 * equally wide, on opposite sides, each from one end to the other and ended by a straight edge: what a picture of
 * another shape looks like when it was laid into this one.
 */
export function measureContent({ width, height, channels, pixels }: Pixels): number {
  const rows: Lines = { pixels, channels, count: height, length: width, lineStride: width, pixelStride: 1 };
  const columns: Lines = { pixels, channels, count: width, length: height, lineStride: 1, pixelStride: width };
  return (1 - totalBarWidth(rows) / height) * (1 - totalBarWidth(columns) / width);
}

/** A picture as rows or as columns: where the next line begins and the next pixel of a line is, in pixels. */
interface Lines {
  readonly pixels: Buffer;
  readonly channels: 3 | 4;
  readonly count: number;
  readonly length: number;
  readonly lineStride: number;
  readonly pixelStride: number;
}

/** Of both bars together; 0 where there is no such pair. */
function totalBarWidth(lines: Lines): number {
  const { count } = lines;
  const first = barWidth(lines, 0, 1);
  const last = first > 0 ? barWidth(lines, count - 1, -1) : 0;
  const [thin, thick] = first < last ? [first, last] : [last, first];
  if (thin < MIN_BAR_SHARE * count || thick > MAX_BAR_RATIO * thin + 2) return 0;
  return shareAwayFrom(lines, 0, count - 1, SHADE_TOLERANCE) === 0 ? first + last : 0;
}

/** Width of the flat bar that begins at the outer line `outer` and ends in a straight edge before the middle; else 0. */
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

/** Share of a line's pixels that are further than `distance` from the first pixel of line `outer`. */
function shareAwayFrom(lines: Lines, outer: number, line: number, distance: number): number {
  const { pixels, channels, length, lineStride: between, pixelStride: along } = lines;
  const samples = Math.min(SAMPLES, length);
  const colour = channels * outer * between;
  let away = 0;
  for (let sample = 0; sample < samples; sample += 1) {
    const at = channels * (line * between + along * Math.floor(((sample + 0.5) * length) / samples));
    for (let channel = 0; channel < channels; channel += 1) {
      if (Math.abs((pixels[at + channel] ?? 0) - (pixels[colour + channel] ?? 0)) <= distance) continue;
      away += 1;
      break;
    }
  }
  return away / samples;
}
