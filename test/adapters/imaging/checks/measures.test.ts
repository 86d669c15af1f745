import { describe, expect, it } from 'vitest';
import { measureSharpness, type Pixels } from '../../../../src/adapters/imaging/checks/measures.ts';
import { randomOf } from '../../../support/random.ts';

describe('measureSharpness', () => {
  const SIZES = [
    [300, 200],
    [97, 61],
    [64, 1],
    [33, 500],
    [16, 40],
    [15, 90],
    [9, 64],
    [8, 70],
    [7, 80],
    [1, 64],
  ] as const;

  it.each(SIZES)('gives the values of its definition for grain of %i x %i', (width, height) => {
    for (const channels of [3, 4] as const) {
      for (const smoothness of [1, 6]) {
        const picture = grain({ width, height, channels, smoothness });
        expect(measureSharpness(picture)).toBe(byDefinition(picture));
      }
    }
  });
});

/** Random walks along the rows: the smoother, the smaller their steps. */
function grain({
  width,
  height,
  channels,
  smoothness,
}: Omit<Pixels, 'pixels' | 'transparent'> & { smoothness: number }): Pixels {
  const random = randomOf(`${width}x${height}x${channels}, ${smoothness}`);
  const pixels = Buffer.alloc(width * height * channels);
  let shade = 128;
  for (let at = 0; at < pixels.length; at += 1) {
    shade = Math.min(255, Math.max(0, shade + (510 * random() - 255) / smoothness));
    pixels[at] = shade;
  }
  return { width, height, channels, pixels, transparent: channels === 4 };
}

/** Window by window, each pixel read where it stands: slow, and close to the words. */
function byDefinition({ width, height, channels, pixels, transparent }: Pixels): number {
  const shadeAt = (x: number, y: number, part: 'grey' | 'alpha') => {
    const [red = 0, green = 0, blue = 0, alpha = 255] = pixels.subarray(
      channels * (y * width + x),
      channels * (y * width + x + 1),
    );
    const grey = (54 * red + 183 * green + 19 * blue) >> 8;
    return part === 'alpha' ? alpha : Math.round((grey * alpha) / 255);
  };
  const spaced = (end: number) =>
    Array.from({ length: Math.min(64, end) }, (_, index) => Math.floor(((index + 0.5) * end) / Math.min(64, end)));
  const upTo = (end: number) => Array.from({ length: end }, (_, index) => index);
  const lines = (transparent ? (['grey', 'alpha'] as const) : (['grey'] as const)).flatMap((part) => [
    ...spaced(height).map((y) => upTo(width).map((x) => shadeAt(x, y, part))),
    ...spaced(width).map((x) => upTo(height).map((y) => shadeAt(x, y, part))),
  ]);
  const edges = lines.flatMap((line) => {
    const size = Math.min(16, line.length);
    const windows = upTo(line.length).filter((from) => from % 8 === 0 && from + size <= line.length);
    return windows.flatMap((from) => {
      const window = line.slice(from, from + size);
      const range = Math.max(...window) - Math.min(...window);
      const steps = window.slice(1).map((shade, index) => Math.abs(shade - (window[index] ?? 0)));
      return range < 48 ? [] : [Math.round((100 * Math.max(0, ...steps)) / range)];
    });
  });
  if (edges.length < 16) return 0;
  const falling = edges.toSorted((one, other) => other - one);
  return (falling[Math.ceil(edges.length / 10) - 1] ?? 0) / 100;
}
