/** Brushes for synthetic pictures: noise, shapes as SVG, frames. All randomness comes from the `Random` that they are given. */

import sharp, { type Sharp } from 'sharp';
import type { Size } from '../../src/core/domain/geometry.ts';

/** Size of every picture, in pixels. */
export const SIZE: Size = { width: 1792, height: 1024 };

/** Gives numbers in [0, 1). */
export type Random = () => number;

/** Mulberry32, a pseudo-random generator: numbers in [0, 1) that depend on the seed only. */
export function mulberry32(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Mountains under a sky: fractal noise as height, lit from the left. */
export async function landscape(random: Random, { contrast = 1, lift = 0 } = {}): Promise<Sharp> {
  const { width, height } = SIZE;
  const ground = await fractal(random, [6, 14, 40, 120, 400]);
  const pixels = Buffer.alloc(width * height * 3);
  const horizon = height * (0.3 + 0.2 * random());
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const here = ground[y * width + x] ?? 0;
      const slope = here - (ground[y * width + Math.max(0, x - 2)] ?? 0);
      const ridge = horizon + 160 * ((ground[x] ?? 0.5) - 0.5);
      const shade = y < ridge ? 190 + (40 * y) / ridge : Math.min(230, Math.max(8, 90 + 900 * slope + 60 * here));
      const at = (y * width + x) * 3;
      const colours = y < ridge ? [shade * 0.75, shade * 0.85, shade] : [shade * 0.8, shade * 0.9, shade * 0.55];
      for (const [channel, value] of colours.entries()) pixels[at + channel] = Math.min(255, lift + contrast * value);
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** A soft mix of two colours, given as red, green and blue. */
export async function clouds(
  random: Random,
  from: readonly number[],
  to: readonly number[],
  octaves = 3,
): Promise<Sharp> {
  const { width, height } = SIZE;
  const noise = await fractal(random, [2, 9, 30].slice(0, octaves));
  const pixels = Buffer.alloc(width * height * 3);
  for (let index = 0; index < noise.length; index += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const [low = 0, high = 0] = [from[channel], to[channel]];
      pixels[index * 3 + channel] = Math.round(low + (high - low) * (noise[index] ?? 0));
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** Noise in [0, 1], one number a pixel, of several scales, each half as strong as the one before. */
async function fractal(random: Random, cells: readonly number[]): Promise<Float32Array> {
  const { width, height } = SIZE;
  const sum = new Float32Array(width * height);
  let weight = 1;
  let total = 0;
  for (const columns of cells) {
    const rows = Math.max(2, Math.round((columns * height) / width));
    const grid = Buffer.from(Array.from({ length: columns * rows }, () => randomInt(random, 256)));
    const layer = await sharp(grid, { raw: { width: columns, height: rows, channels: 1 } })
      .resize(width, height, { fit: 'fill', kernel: 'cubic' })
      .extractChannel(0)
      .raw()
      .toBuffer();
    for (let at = 0; at < sum.length; at += 1) sum[at] = (sum[at] ?? 0) + (weight * (layer[at] ?? 0)) / 255;
    total += weight;
    weight /= 2;
  }
  return sum.map((value) => value / total);
}

/** The ground with `count` circles on it, of 0.5 to 1.5 times `radius` in pixels. */
export async function dots(
  ground: Sharp,
  random: Random,
  count: number,
  shade: string,
  radius: number,
): Promise<Sharp> {
  const circles = Array.from(
    { length: count },
    () =>
      `<circle cx="${randomInt(random, 1792)}" cy="${randomInt(random, 1024)}" r="${radius * (0.5 + random())}" fill="${shade}"/>`,
  );
  return (await rendered(ground)).composite([{ input: Buffer.from(page(circles.join(''))) }]);
}

/** Polygons in random colours on a ground of one random colour. */
export function shapes(random: Random, count: number, opacity: number): Sharp {
  const parts = Array.from({ length: count }, () => polygon(random, colour(random), opacity));
  return svg(fill(colour(random)) + parts.join(''));
}

/** A polygon with five random corners, as an SVG element. */
export function polygon(random: Random, shade: string, opacity = 1): string {
  const points = Array.from({ length: 5 }, () => `${randomInt(random, 1792)},${randomInt(random, 1024)}`);
  return `<polygon points="${points.join(' ')}" fill="${shade}" fill-opacity="${opacity}"/>`;
}

/** Random Bézier curves, `width` pixels thick, as SVG elements. */
export function curves(random: Random, count: number, shade: string, width: number): string {
  const point = () => `${randomInt(random, 1792)} ${randomInt(random, 1024)}`;
  return Array.from(
    { length: count },
    () =>
      `<path d="M${point()} C${point()} ${point()} ${point()}" fill="none" stroke="${shade}" stroke-width="${width}"/>`,
  ).join('');
}

/** Scales a picture down between bars. Each bar takes the share `bar` of the height, each pillar the share `pillar` of the width. */
export async function letterbox(
  picture: Sharp,
  { bar, pillar }: { readonly bar: number; readonly pillar: number },
  background: string,
): Promise<Sharp> {
  const [top, left] = [Math.round(bar * SIZE.height), Math.round(pillar * SIZE.width)];
  const inner = await picture
    .flatten({ background: '#fff' })
    .resize(SIZE.width - 2 * left, SIZE.height - 2 * top)
    .png({ compressionLevel: 0 })
    .toBuffer();
  return sharp(inner).extend({ top, bottom: top, left, right: left, background });
}

/** Cuts a picture of `side` by `side` pixels to a circle on transparent ground, as a png. */
export async function round(picture: Buffer, side: number): Promise<Buffer> {
  const mask = `<svg width="${side}" height="${side}"><circle cx="${side / 2}" cy="${side / 2}" r="${side / 2}"/></svg>`;
  return await sharp(picture)
    .ensureAlpha()
    .composite([{ input: Buffer.from(mask), blend: 'dest-in' }])
    .png()
    .toBuffer();
}

/** Applies the operations so far. sharp runs operations in an order of its own, so later ones need a picture of their own. */
export async function rendered(picture: Sharp): Promise<Sharp> {
  return sharp(await picture.png({ compressionLevel: 0 }).toBuffer());
}

export const plain = (background: string) => sharp({ create: { ...SIZE, channels: 3, background } });
const page = (content: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${SIZE.width}" height="${SIZE.height}">${content}</svg>`;
export const svg = (content: string) => sharp(Buffer.from(page(content)));
export const fill = (shade: string) => `<rect width="100%" height="100%" fill="${shade}"/>`;
export const randomInt = (random: Random, below: number) => Math.floor(random() * below);
export const colour = (random: Random) =>
  `hsl(${randomInt(random, 360)}, ${30 + randomInt(random, 60)}%, ${20 + randomInt(random, 60)}%)`;
