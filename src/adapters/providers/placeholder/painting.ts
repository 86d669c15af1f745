import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { ProviderError } from '../../../core/domain/errors.ts';
import type { MasterFormat } from '../../../core/domain/formats.ts';
import type { Size } from '../../../core/domain/geometry.ts';

export async function paint(prompt: string, size: Size, format: MasterFormat): Promise<Uint8Array> {
  try {
    const random = seededRandom(prompt);
    const svg = compose(size, random, await grainTile(random));
    const image = sharp(Buffer.from(svg)).removeAlpha();
    switch (format) {
      case 'png':
        // Grain does not compress: more effort only costs time.
        return await image.png({ compressionLevel: 2, adaptiveFiltering: true }).toBuffer();
      case 'jpeg':
        return await image.jpeg({ quality: 90 }).toBuffer();
      case 'webp':
        return await image.webp({ quality: 90, effort: 2 }).toBuffer();
    }
  } catch (cause) {
    throw new ProviderError('overloaded', 'the placeholder could not be painted', { cause });
  }
}

// ------------------------------------------------------------ composition

type Random = () => number;

/** A drawing as an SVG document. All lengths follow from the size, so a strip and an icon get their own share of each part. */
function compose(size: Size, random: Random, grain: string): string {
  const { width, height } = size;
  const palette = choosePalette(random);
  const motif = pick(random, [dunes, orbits, ribbons]);
  const parts = [backdrop(size, palette, random), motif(size, palette, random)].join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${parts}
<pattern id="grain" width="${GRAIN_SIDE}" height="${GRAIN_SIDE}" patternUnits="userSpaceOnUse"><image width="${GRAIN_SIDE}" height="${GRAIN_SIDE}" xlink:href="data:image/png;base64,${grain}"/></pattern>
<rect width="100%" height="100%" fill="url(#grain)"/></svg>`;
}

/** A sky: a gradient with soft lights of neighbouring colours in it. */
function backdrop({ width, height }: Size, palette: Palette, random: Random): string {
  const reach = Math.hypot(width, height);
  const lights = [0, 1, 2, 3].map((index) => {
    const glow = palette.glow(random());
    const radius = round(reach * between(random, 0.25, 0.5));
    const [x, y] = [round(width * between(random, -0.1, 1.1)), round(height * between(random, -0.1, 0.9))];
    return `<radialGradient id="light${index}" gradientUnits="userSpaceOnUse" cx="${x}" cy="${y}" r="${radius}">
<stop offset="0" stop-color="${glow}" stop-opacity="0.75"/><stop offset="0.5" stop-color="${glow}" stop-opacity="0.25"/><stop offset="1" stop-color="${glow}" stop-opacity="0"/></radialGradient>
<rect width="100%" height="100%" fill="url(#light${index})"/>`;
  });
  return `<linearGradient id="sky" x1="0" y1="0" x2="${round(between(random, -0.4, 0.4))}" y2="1">
<stop offset="0" stop-color="${palette.sky(0)}"/><stop offset="1" stop-color="${palette.sky(1)}"/></linearGradient>
<rect width="100%" height="100%" fill="url(#sky)"/>${lights.join('')}`;
}

/** Hills behind hills under a low sun. */
function dunes(size: Size, palette: Palette, random: Random): string {
  const { width, height } = size;
  const layers = 6;
  const sun = disc(
    width * between(random, 0.2, 0.8),
    height * between(random, 0.22, 0.42),
    Math.min(width, height) * between(random, 0.1, 0.17),
    palette,
  );
  const hills = Array.from({ length: layers }, (_, layer) => {
    const depth = layer / (layers - 1);
    const level = height * (0.42 + 0.46 * depth);
    const ridge = wave(size, level, height * (0.05 + 0.06 * depth), random);
    return `<linearGradient id="hill${layer}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${palette.layer(depth)}"/>
<stop offset="1" stop-color="${palette.layer(Math.min(1, depth + 0.3))}"/></linearGradient>
<path d="${ridge} V${height} H0 Z" fill="url(#hill${layer})"/>
<path d="${ridge}" fill="none" stroke="${palette.accent}" stroke-opacity="${round(0.45 - 0.35 * depth)}" stroke-width="${round(Math.min(width, height) / 500)}"/>`;
  });
  return sun + hills.join('');
}

/** Translucent discs and rings that share their light. */
function orbits({ width, height }: Size, palette: Palette, random: Random): string {
  const short = Math.min(width, height);
  const long = Math.max(width, height);
  const count = Math.min(28, Math.round(6 + (3 * long) / short));
  const discs = Array.from({ length: count }, (_, index) => {
    const radius = round(short * between(random, 0.1, 0.42));
    const x = round(width * ((index + between(random, 0.1, 0.9)) / count));
    const y = round(height * between(random, 0.1, 0.9));
    const colour = palette.layer(random());
    const turn = Math.round(between(random, 0, 360));
    const rings = [1.12, 1.24, 1.36].map(
      (factor, ring) =>
        `<circle cx="${x}" cy="${y}" r="${round(radius * factor)}" fill="none" stroke="${palette.accent}" stroke-opacity="${round(0.3 - 0.08 * ring)}" stroke-width="${round(short / 600)}"/>`,
    );
    return `<linearGradient id="disc${index}" gradientTransform="rotate(${turn} 0.5 0.5)"><stop offset="0" stop-color="${colour}" stop-opacity="0.9"/>
<stop offset="1" stop-color="${palette.glow(random())}" stop-opacity="0.08"/></linearGradient>
<circle cx="${x}" cy="${y}" r="${radius}" fill="url(#disc${index})"/>${random() < 0.4 ? rings.join('') : ''}`;
  });
  const sun = disc(width * between(random, 0.25, 0.75), height * between(random, 0.3, 0.7), short * 0.09, palette);
  return discs.join('') + sun;
}

/** Sheets of fine lines that drift between two waves. */
function ribbons(size: Size, palette: Palette, random: Random): string {
  const { width, height } = size;
  const short = Math.min(width, height);
  const sheets = [0, 1, 2].map((sheet) => {
    const level = height * (0.3 + 0.2 * sheet);
    const from = wavePoints(size, level - height * 0.12, height * 0.16, random);
    const to = wavePoints(size, level + height * between(random, 0.14, 0.3), height * 0.2, random);
    const lines = Math.max(4, Math.min(26, Math.round(short / 20)));
    const gradient = `<linearGradient id="sheet${sheet}" gradientUnits="userSpaceOnUse" x1="0" y1="0" x2="${width}" y2="0">
<stop offset="0" stop-color="${palette.layer(0.2 * sheet)}"/><stop offset="0.5" stop-color="${palette.accent}"/><stop offset="1" stop-color="${palette.layer(0.5 + 0.25 * sheet)}"/></linearGradient>`;
    const body = `<path d="${smooth(from)} L${to.at(-1)?.x} ${to.at(-1)?.y} ${smooth([...to].reverse()).replace('M', 'L')} Z" fill="url(#sheet${sheet})" fill-opacity="0.35"/>`;
    const strokes = Array.from({ length: lines }, (_, line) => {
      const share = line / (lines - 1);
      const points = from.map(({ x, y }, index) => ({ x, y: round(y + ((to[index]?.y ?? y) - y) * share) }));
      return `<path d="${smooth(points)}" fill="none" stroke="url(#sheet${sheet})" stroke-opacity="${round(0.85 - 0.5 * share)}" stroke-width="${round(Math.max(0.4, short / 700))}"/>`;
    });
    return gradient + body + strokes.join('');
  });
  const sun = disc(width * between(random, 0.2, 0.8), height * between(random, 0.2, 0.4), short * 0.12, palette);
  return sun + sheets.join('');
}

function disc(x: number, y: number, radius: number, palette: Palette): string {
  const [cx, cy, r] = [round(x), round(y), round(radius)];
  return `<radialGradient id="halo" gradientUnits="userSpaceOnUse" cx="${cx}" cy="${cy}" r="${round(radius * 3)}">
<stop offset="0.3" stop-color="${palette.accent}" stop-opacity="0.5"/><stop offset="1" stop-color="${palette.accent}" stop-opacity="0"/></radialGradient>
<circle cx="${cx}" cy="${cy}" r="${round(radius * 3)}" fill="url(#halo)"/><circle cx="${cx}" cy="${cy}" r="${r}" fill="${palette.accent}"/>`;
}

// ------------------------------------------------------------------ lines

interface Point {
  readonly x: number;
  readonly y: number;
}

function wave(size: Size, level: number, amplitude: number, random: Random): string {
  return smooth(wavePoints(size, level, amplitude, random));
}

/** A line from edge to edge: three sines, the slowest the strongest. Wide pictures get more waves, up to twelve. */
function wavePoints({ width, height }: Size, level: number, amplitude: number, random: Random): readonly Point[] {
  const waves = Math.min(12, Math.max(0.7, (0.7 * width) / height));
  const sines = [1, 0.45, 0.2].map((strength, index) => ({
    strength,
    turns: waves * (index + between(random, 0.7, 1.3)),
    phase: between(random, 0, 2 * Math.PI),
  }));
  const steps = Math.ceil(waves * 24);
  return Array.from({ length: steps + 1 }, (_, step) => {
    const share = step / steps;
    const swing = sines.reduce((sum, { strength, turns, phase }) => {
      return sum + strength * Math.sin(2 * Math.PI * turns * share + phase);
    }, 0);
    return { x: round(width * share), y: round(level + (amplitude * swing) / 1.65) };
  });
}

/** A Catmull-Rom curve through the points, as SVG path data. */
function smooth(points: readonly Point[]): string {
  return points
    .map((point, index) => {
      const previous = points[index - 1];
      if (previous === undefined) return `M${point.x} ${point.y}`;
      const before = points[index - 2] ?? previous;
      const after = points[index + 1] ?? point;
      const [x1, y1] = [round(previous.x + (point.x - before.x) / 6), round(previous.y + (point.y - before.y) / 6)];
      const [x2, y2] = [round(point.x - (after.x - previous.x) / 6), round(point.y - (after.y - previous.y) / 6)];
      return `C${x1} ${y1} ${x2} ${y2} ${point.x} ${point.y}`;
    })
    .join('');
}

// ---------------------------------------------------------------- colours

/** Colours by a share from 0 to 1: of the way down the sky, of the way to the foreground, of a family of lights. */
interface Palette {
  readonly sky: (share: number) => string;
  readonly layer: (share: number) => string;
  readonly glow: (share: number) => string;
  readonly accent: string;
}

/** Neighbouring hues by day or by night, and a sun that is always warm. In OKLCH equal steps look equal. */
function choosePalette(random: Random): Palette {
  const hue = between(random, 0, 360);
  const drift = between(random, 40, 95) * (random() < 0.5 ? -1 : 1);
  const sunlight = between(random, 45, 100);
  if (random() < 0.4) {
    return {
      sky: (share) => oklch(0.2 + 0.16 * share, 0.06 + 0.04 * share, hue + 0.4 * drift * share),
      layer: (share) => oklch(0.58 - 0.4 * share, 0.15 - 0.08 * share, hue + drift * share),
      glow: (share) => oklch(0.5, 0.14, hue + drift * share),
      accent: oklch(0.89, 0.09, sunlight),
    };
  }
  return {
    sky: (share) => oklch(0.8 + 0.13 * share, 0.09 - 0.05 * share, hue + 0.4 * drift * share),
    layer: (share) => oklch(0.8 - 0.48 * share, 0.08 + 0.05 * share, hue + drift * share),
    glow: (share) => oklch(0.87, 0.09, hue + drift * share),
    accent: oklch(0.96, 0.05, sunlight),
  };
}

/** sRGB as #rrggbb, channels clipped. Matrices: Björn Ottosson, "A perceptual color space for image processing", 2020. */
function oklch(lightness: number, chroma: number, hueDegrees: number): string {
  const hue = (hueDegrees * Math.PI) / 180;
  const [a, b] = [chroma * Math.cos(hue), chroma * Math.sin(hue)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const channels = linear.map((value) => {
    const light = Math.min(1, Math.max(0, value));
    const encoded = light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
    return Math.round(255 * encoded)
      .toString(16)
      .padStart(2, '0');
  });
  return `#${channels.join('')}`;
}

// ----------------------------------------------------------------- chance

const GRAIN_SIDE = 256;

/** Film grain: black and white specks of little opacity. It hides the steps of the gradients. */
async function grainTile(random: Random): Promise<string> {
  const pixels = Buffer.alloc(GRAIN_SIDE * GRAIN_SIDE * 4);
  for (let at = 0; at < pixels.length; at += 4) {
    const speck = random() + random() - 1;
    pixels.fill(speck < 0 ? 0 : 255, at, at + 3);
    pixels[at + 3] = Math.round(15 * Math.abs(speck));
  }
  const tile = await sharp(pixels, { raw: { width: GRAIN_SIDE, height: GRAIN_SIDE, channels: 4 } })
    .png({ compressionLevel: 1 })
    .toBuffer();
  return tile.toString('base64');
}

/** sfc32 (Chris Doty-Humphrey, PractRand), seeded with the prompt's SHA-256: numbers from 0 up to 1, the same for the same prompt. */
function seededRandom(prompt: string): Random {
  const seed = createHash('sha256').update(prompt).digest();
  let [a, b, c, counter] = [seed.readInt32LE(0), seed.readInt32LE(4), seed.readInt32LE(8), seed.readInt32LE(12)];
  return () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
}

function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random();
}

function pick<T>(random: Random, choices: readonly [T, ...T[]]): T {
  return choices[Math.floor(random() * choices.length)] ?? choices[0];
}

/** Two decimals are enough for a path and keep the document short. */
function round(value: number): number {
  return Math.round(value * 100) / 100;
}
